import { createConnection } from 'node:net';

/*
 * The few messages of the Postgres protocol (version 3) that one statement over a trusted loopback
 * connection needs. Only the stack and the bench use it; the log has a full client. So the stack
 * needs neither that client nor `psql`, which not every installation of the server has.
 */

/** An error from Postgres; `code` is the SQLSTATE. */
class PostgresError extends Error {
  override readonly name = 'PostgresError';
  readonly code: string;

  constructor(code: string, message: string) {
    super(`${message} (${code})`);
    this.code = code;
  }
}

const TIMEOUT_MS = 30_000;

/**
 * Runs SQL, which may be several statements separated by `;`, and returns the rows as text.
 *
 * @throws PostgresError if the server reports an error; Error if it cannot be reached
 */
export function querySql(url: string, sql: string): Promise<(string | null)[][]> {
  const target = new URL(url);
  const user = decodeURIComponent(target.username);
  const database = decodeURIComponent(target.pathname.slice(1));
  return new Promise((resolve, reject) => {
    const socket = createConnection({ host: target.hostname, port: Number(target.port || 5432) });
    const rows: (string | null)[][] = [];
    let received: Buffer = Buffer.alloc(0);
    let queried = false;
    let failure: Error | undefined;

    const settle = (error?: Error): void => {
      socket.destroy();
      if (error === undefined) resolve(rows);
      else reject(error);
    };
    const handle = (type: string, body: Buffer): void => {
      if (type === 'R' && body.readInt32BE(0) !== 0) {
        settle(
          new Error(
            'Postgres asks for a password; the local stack needs a server that trusts loopback',
          ),
        );
      } else if (type === 'E') {
        failure = errorOf(body);
        if (!queried) settle(failure);
      } else if (type === 'D') {
        rows.push(rowOf(body));
      } else if (type === 'Z') {
        if (queried) settle(failure);
        else socket.write(frame('Q', cString(sql)));
        queried = true;
      }
    };

    socket.setTimeout(TIMEOUT_MS, () => {
      settle(new Error(`Postgres did not answer within ${TIMEOUT_MS / 1000} s`));
    });
    socket.on('error', settle);
    socket.on('close', () => {
      settle(failure ?? new Error('Postgres closed the connection'));
    });
    socket.on('connect', () => {
      const settings = Buffer.concat([
        cString('user'),
        cString(user),
        cString('database'),
        cString(database),
      ]);
      const version = Buffer.from([0, 3, 0, 0]);
      socket.write(frame('', Buffer.concat([version, settings, Buffer.from([0])])));
    });
    socket.on('data', (chunk: Buffer) => {
      received = Buffer.concat([received, chunk]);
      while (received.length >= 5 && received.length > received.readInt32BE(1)) {
        const length = received.readInt32BE(1) + 1;
        const type = String.fromCharCode(received.readUInt8(0));
        handle(type, received.subarray(5, length));
        received = received.subarray(length);
      }
    });
  });
}

function cString(text: string): Buffer {
  return Buffer.concat([Buffer.from(text, 'utf8'), Buffer.from([0])]);
}

/** A message: its type, its length without the type, its body. The first one has no type. */
function frame(type: string, body: Buffer): Buffer {
  const length = Buffer.alloc(4);
  length.writeInt32BE(body.length + 4);
  return Buffer.concat([Buffer.from(type, 'latin1'), length, body]);
}

function rowOf(body: Buffer): (string | null)[] {
  const row: (string | null)[] = [];
  let at = 2;
  for (let column = body.readInt16BE(0); column > 0; column -= 1) {
    const length = body.readInt32BE(at);
    at += 4;
    row.push(length < 0 ? null : body.toString('utf8', at, at + length));
    at += Math.max(length, 0);
  }
  return row;
}

function errorOf(body: Buffer): PostgresError {
  const fields = new Map(
    body
      .toString('utf8')
      .split('\0')
      .filter((field) => field !== '')
      .map((field) => [field.charAt(0), field.slice(1)]),
  );
  return new PostgresError(fields.get('C') ?? 'XX000', fields.get('M') ?? 'unknown error');
}
