import type { DeclarationReader, ProxyConfiguration } from '../../core/declared.ts';
import { readComposeProjects } from '../compose-files/index.ts';
import { readNginx } from '../nginx-config/index.ts';
import { withCertificates } from './certificates.ts';

/** Everything that files say about services: compose projects, and the configurations of proxies. */
export function createDeclarations({
  composeFolders,
}: {
  /** Folders with compose files whose containers need not exist. */
  readonly composeFolders: () => readonly string[];
}): DeclarationReader {
  return {
    async read({ processes, containers }) {
      const [projects, ...proxies] = await Promise.all([
        readComposeProjects(containers, composeFolders()),
        readNginx({ processes, containers }),
      ]);
      const read: ProxyConfiguration[] = [];
      for (const proxy of proxies.flat()) read.push(await withCertificates(proxy, processes));
      return { projects, proxies: read };
    },
  };
}
