/** At most `most` of the items, spread evenly over the list and including the last one. */
export function thinned<Item>(items: readonly Item[], most: number): readonly Item[] {
  if (items.length <= most) return items;
  const kept = Math.max(0, most);
  const step = (index: number): number => Math.floor((index * kept) / items.length);
  return items.filter((_, index) => step(index + 1) !== step(index));
}
