import type { DeclarationReader, ProxyConfiguration } from '../../core/declared.ts';
import { readCaddy } from '../caddy-config/index.ts';
import { readComposeProjects } from '../compose-files/index.ts';
import { readNginx } from '../nginx-config/index.ts';
import { readTraefik } from '../traefik-config/index.ts';
import { withCertificates } from './certificates.ts';

/** Everything that files say about services: compose projects, and the configurations of proxies. */
export function createDeclarations({
  composeFolders,
}: {
  /** Folders with compose files whose containers need not exist. */
  readonly composeFolders: () => readonly string[];
}): DeclarationReader {
  return {
    async read({ processes, containers, listeners, signal }) {
      const [projects, ...proxies] = await Promise.all([
        readComposeProjects(containers, composeFolders()),
        readNginx({ processes, containers }),
        readCaddy({ processes, containers, listeners, signal }),
        readTraefik({ processes, containers, listeners, signal }),
      ]);
      const read: ProxyConfiguration[] = [];
      for (const proxy of proxies.flat()) read.push(await withCertificates(proxy, processes));
      return { projects, proxies: read };
    },
  };
}
