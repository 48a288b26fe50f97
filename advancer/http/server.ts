import { fastify, type FastifyInstance } from 'fastify';

import { ConfigError } from '../../src/config/config-error.ts';
import { errorText } from '../../src/error-text.ts';
import type { Metrics } from './metrics.ts';

/** The replica's HTTP server: health for the platform that runs it, metrics for operators. */
export interface HttpServer {
  /** The address that it listens on. */
  readonly url: string;
  /** Stops listening. May be called twice. */
  close(): Promise<void>;
}

/** Where the server listens and what it reports. */
export interface HttpServerOptions {
  host: string;
  /** 0: a free port. */
  port: number;
  replicaId: string;
  metrics: Metrics;
  /** What the replica needs to serve, each with why it is missing, if it is. */
  checks: () => { name: string; problem: string | undefined }[];
}

/**
 * Serves `/livez` (the event loop runs), `/readyz` (requests can be served; 503 with the reasons
 * when not, and what was checked) and `/metrics`.
 *
 * @throws ConfigError naming LEASEHOLD_HTTP_PORT when the address is taken
 */
export async function startHttpServer(options: HttpServerOptions): Promise<HttpServer> {
  const { host, port, replicaId, metrics, checks } = options;
  const app: FastifyInstance = fastify({ forceCloseConnections: true });
  app.get('/livez', () => ({ alive: true, replicaId }));
  app.get('/readyz', (_request, reply) => {
    const checked = checks();
    const reasons = checked.flatMap(({ problem }) => (problem === undefined ? [] : [problem]));
    const ready = reasons.length === 0;
    const named = checked.map(({ name, problem }) => [name, problem ?? 'ok']);
    return reply
      .code(ready ? 200 : 503)
      .send({ ready, replicaId, reasons, checks: Object.fromEntries(named) as object });
  });
  app.get('/metrics', async (_request, reply) =>
    reply.type(metrics.contentType).send(await metrics.text()),
  );
  try {
    const url = await app.listen({ host, port });
    return { url, close: () => app.close() };
  } catch (cause) {
    throw new ConfigError([
      `LEASEHOLD_HTTP_PORT: cannot listen on ${host}:${port} (${errorText(cause)}); set it to another port, or to 0 for a free one`,
    ]);
  }
}
