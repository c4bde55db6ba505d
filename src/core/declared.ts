import type { ContainerInfo } from './ports/docker.ts';
import type { ProcessInfo } from './ports/processes.ts';
import type { Listener } from './ports/sockets.ts';

/** Where something is written. */
export interface Place {
  readonly file: string;
  /** From 1; 0 where it is in no line of its own, as in what an API answers. */
  readonly line: number;
}

/** What of a file cannot be read, or cannot be said from reading it alone. The rest of it counts all the same. */
export interface FileProblem extends Place {
  readonly message: string;
}

/** Where a proxy passes requests on to. */
export interface Upstream {
  /** http, https, fastcgi, grpc, tcp ...: what is spoken there. */
  readonly scheme: string;
  /** Host name or address as written, or the path of a socket. */
  readonly address: string;
  /** Undefined for a socket in the file system. */
  readonly port: number | undefined;
  /** The container that is meant, where it is the one that asked for it. */
  readonly container?: string | undefined;
  readonly place: Place;
}

/** One way in through a proxy, and where it ends. */
export interface ProxyRoute {
  /** Names that people use; empty where any name is answered. */
  readonly hosts: readonly string[];
  readonly path: string;
  readonly tls: boolean;
  /** Ports that the proxy takes it on. */
  readonly ports: readonly number[];
  readonly upstreams: readonly Upstream[];
  readonly place: Place;
}

export interface DeclaredCertificate {
  readonly file: string;
  readonly hosts: readonly string[];
  readonly place: Place;
  /** What its file says, where it can be read. */
  readonly read?:
    | { readonly subject: string; readonly names: readonly string[]; readonly expires: Date; readonly issuer: string }
    | undefined;
}

/** The proxy that reads a configuration: a process or a container that runs, or only a program by its name. */
export interface ProxyOwner {
  readonly pid?: number | undefined;
  readonly container?: string | undefined;
}

export interface ProxyConfiguration {
  readonly product: 'nginx' | 'caddy' | 'traefik';
  /** The file that it begins with, or the address that it was asked at. */
  readonly source: string;
  /** Undefined where no running proxy is known to read it; then it is worth less. */
  readonly owner: ProxyOwner | undefined;
  readonly routes: readonly ProxyRoute[];
  readonly certificates: readonly DeclaredCertificate[];
  readonly files: readonly string[];
  readonly problems: readonly FileProblem[];
}

/** That one compose service needs or uses another. */
export interface ComposeNeed {
  readonly service: string;
  readonly by: 'depends_on' | 'links' | 'network_mode' | 'volumes_from';
  /** service_healthy and the like, where the file asks for more than a start. */
  readonly condition?: string | undefined;
  readonly place: Place;
}

export interface ComposeService {
  readonly name: string;
  readonly place: Place;
  readonly image: string | undefined;
  readonly containerName: string | undefined;
  /** Published on the machine. */
  readonly ports: readonly number[];
  readonly needs: readonly ComposeNeed[];
  /** Networks that the file names; the one that every project has is not among them. */
  readonly networks: readonly { readonly name: string; readonly place: Place }[];
  readonly healthcheck: boolean;
  readonly restart: string | undefined;
  /** It starts only with one of these. */
  readonly profiles: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
}

export interface ComposeProject {
  readonly name: string;
  readonly folder: string;
  readonly files: readonly string[];
  readonly services: readonly ComposeService[];
  readonly problems: readonly FileProblem[];
}

export interface Declarations {
  readonly proxies: readonly ProxyConfiguration[];
  readonly projects: readonly ComposeProject[];
}

/** Reads what files say about services. Never throws for what is in a file: that is a problem with its place. */
export interface DeclarationReader {
  read(world: {
    readonly processes: readonly ProcessInfo[];
    readonly containers: readonly ContainerInfo[];
    readonly listeners: readonly Listener[];
    readonly signal: AbortSignal;
  }): Promise<Declarations>;
}
