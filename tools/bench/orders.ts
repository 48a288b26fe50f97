/*
 * Both ends of a bench's child process: the child reads an order over Node's channel, answers it,
 * and takes the next. A channel instead of pipes, because its end is the child's end: whatever this
 * process dies of, nothing goes on.
 */

/** What a child answers: the result, or why there is none. */
export type Answer = { ok: true; result: unknown } | { ok: false; message: string };

/** Of a child's interface: what each order is given and gives. */
export type OrderBook = Record<string, (given: never) => Promise<unknown>>;

/** An order on its way. */
export interface Order {
  name: string;
  given: unknown;
}

/** Serves orders, in their turn, until the other end is gone. */
export function serveOrders(book: OrderBook): void {
  let tail: Promise<unknown> = Promise.resolve();
  process.on('message', (order: Order) => {
    tail = tail.then(async () => {
      process.send?.(await answer(book, order));
    });
  });
  process.on('disconnect', () => process.exit(0));
}

async function answer(book: OrderBook, { name, given }: Order): Promise<Answer> {
  try {
    const serve = book[name];
    if (serve === undefined) throw new Error(`there is no order ${name}`);
    return { ok: true, result: await serve(given as never) };
  } catch (error) {
    return {
      ok: false,
      message: error instanceof Error ? (error.stack ?? error.message) : JSON.stringify(error),
    };
  }
}
