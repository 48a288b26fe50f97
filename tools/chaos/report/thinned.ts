/** At most `most` of the items, spread evenly over the list, the last one among them. */
export function thinned<Item>(items: readonly Item[], most: number): readonly Item[] {
  if (items.length <= most) return items;
  const room = Math.max(0, most);
  const step = (index: number): number => Math.floor((index * room) / items.length);
  return items.filter((_, index) => step(index + 1) !== step(index));
}
