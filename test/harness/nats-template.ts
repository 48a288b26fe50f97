import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { connect, type ConnectionOptions, type Msg, type NatsConnection } from 'nats';

import { locateServer } from '../../tools/stack/locate.ts';
import { startNats } from '../../tools/stack/nats-server.ts';
import type { Server } from '../../tools/stack/server-process.ts';
import { closeWorkspace, openWorkspace } from '../../tools/stack/workspace.ts';
import type { Workspace } from '../../tools/stack/workspace.ts';
import { TestAuthority } from './certificates.ts';

const DEPLOY = join(import.meta.dirname, '..', '..', 'deploy');

/** The users of the templates. */
export type TemplateUser = 'replica' | 'billing' | 'operators';

/** A NATS server that runs a template of `deploy/nats`, as an operator would use it. */
export class TemplateNats {
  readonly url: string;
  /** The path of the authority's certificate. */
  readonly caFile: string;
  readonly #ca: string;
  readonly #server: Server;
  readonly #workspace: Workspace;

  private constructor(server: Server, workspace: Workspace, ca: { file: string; text: string }) {
    this.url = server.url.replace('nats:', 'tls:');
    this.caFile = ca.file;
    this.#ca = ca.text;
    this.#server = server;
    this.#workspace = workspace;
  }

  /** With what the README says to replace replaced: the namespace and the certificate's files. */
  static async start(template: string, namespace: string): Promise<TemplateNats> {
    const workspace = await openWorkspace();
    const file = (name: string): string => join(workspace.dir, name);
    const authority = new TestAuthority();
    const { cert, key } = authority.issue();
    await writeFile(file('ca.pem'), authority.ca);
    await writeFile(file('server-cert.pem'), cert);
    await writeFile(file('server-key.pem'), key);
    const text = await readFile(join(DEPLOY, 'nats', template), 'utf8');
    const configFile = file('nats.conf');
    await writeFile(
      configFile,
      text
        .replaceAll('leasehold.default.', `leasehold.${namespace}.`)
        .replaceAll('LEASEHOLD_default_', `LEASEHOLD_${namespace}_`)
        .replaceAll('/etc/nats/', `${workspace.dir}/`)
        // The stack names the directory on the command line.
        .replace(/^ *store_dir: .*\n/m, ''),
    );
    const server = await startNats(await locateServer('nats'), workspace, {
      configFile,
      env: {
        REPLICA_PASSWORD: passwordOf('replica'),
        BILLING_PASSWORD: passwordOf('billing'),
        OPERATORS_PASSWORD: passwordOf('operators'),
      },
    });
    return new TemplateNats(server, workspace, { file: file('ca.pem'), text: authority.ca });
  }

  /** The variables of a process that logs in as the user. */
  env(user: TemplateUser): NodeJS.ProcessEnv {
    return {
      LEASEHOLD_NATS_URLS: this.url,
      LEASEHOLD_NATS_CA_FILE: this.caFile,
      LEASEHOLD_NATS_USERNAME: user,
      LEASEHOLD_NATS_PASSWORD: passwordOf(user),
      LEASEHOLD_NATS_INBOX_PREFIX: `_INBOX.${user}`,
    };
  }

  /** How an agent of the package logs in. */
  agentLogin(user: TemplateUser) {
    return {
      servers: [this.url],
      tls: { ca: this.#ca },
      auth: { username: user, password: passwordOf(user) },
      inboxPrefix: `_INBOX.${user}`,
    };
  }

  /** How a plain connection logs in. */
  login(user: TemplateUser) {
    return {
      user,
      pass: passwordOf(user),
      tls: { ca: this.#ca },
      inboxPrefix: `_INBOX.${user}`,
    } satisfies ConnectionOptions;
  }

  connect(user: TemplateUser): Promise<NatsConnection> {
    return connect({ servers: this.url, ...this.login(user) });
  }

  /** A plain connection without a login, or with another password. */
  async connectAs(login: Pick<ConnectionOptions, 'user' | 'pass'>): Promise<void> {
    const tls = { ca: this.#ca };
    const nats = await connect({ servers: this.url, tls, maxReconnectAttempts: 0, ...login });
    await nats.close();
  }

  async stop(): Promise<void> {
    await this.#server.stop();
    await closeWorkspace(this.#workspace);
  }
}

function passwordOf(user: TemplateUser): string {
  return `password-of-${user}`;
}

/** What a server refuses to a connection. */
export class Refusals {
  readonly #nats: NatsConnection;
  readonly #refused: string[] = [];

  constructor(nats: NatsConnection) {
    this.#nats = nats;
    void this.#follow();
  }

  /** The subjects, of these, to which the server did not let the connection publish. */
  async ofPublishing(subjects: readonly string[], body: string): Promise<string[]> {
    for (const subject of subjects) this.#nats.publish(subject, body);
    return this.#among('publish', subjects);
  }

  /** The subjects, of these, to which the server did not let the connection subscribe. */
  async ofSubscribing(
    subjects: readonly string[],
    receive: (message: Msg) => void,
  ): Promise<string[]> {
    for (const subject of subjects)
      this.#nats.subscribe(subject, {
        callback: (error, message) => {
          if (error === null) receive(message);
        },
      });
    return this.#among('subscription', subjects);
  }

  /** The server answers in order: after the flush, every error has arrived. */
  async #among(operation: string, subjects: readonly string[]): Promise<string[]> {
    await this.#nats.flush();
    // The client passes them on in later turns of the event loop.
    await new Promise((resolve) => setTimeout(resolve, 50));
    return subjects.filter((subject) => this.#refused.includes(`${operation} ${subject}`));
  }

  async #follow(): Promise<void> {
    for await (const status of this.#nats.status()) {
      const { permissionContext: refused } = status as {
        permissionContext?: { operation: string; subject: string };
      };
      if (refused !== undefined) this.#refused.push(`${refused.operation} ${refused.subject}`);
    }
  }
}
