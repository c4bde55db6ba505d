/** Where files wait between 'not needed' and 'removed', in the root they come from: moving there and back is one rename. */
export const QUARANTINE_FOLDER = '.steward-quarantine';

const TEMPORARY = ['/tmp', '/var/tmp'];

/** The folders for temporary files that the configuration allows, where nobody names others. */
export function temporaryRoots(allowed: readonly string[]): string[] {
  return TEMPORARY.filter((root) => isAllowed(root, allowed));
}

export function isAllowed(path: string, roots: readonly string[]): boolean {
  return roots.some((root) => path === root || path.startsWith(root.endsWith('/') ? root : `${root}/`));
}
