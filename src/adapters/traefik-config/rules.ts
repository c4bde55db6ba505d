/** What a router's rule asks of a request, as far as it is names and paths. */
export interface RuleParts {
  readonly hosts: readonly string[];
  readonly paths: readonly string[];
  /** Matchers that say more than a list of names and paths can. */
  readonly patterns: readonly string[];
}

const MATCHER = /(!?)\s*\b([A-Za-z]+)\(([^)]*)\)/g;
const TEXT = /`([^`]*)`|"([^"]*)"/g;

/** `Host(`a`, `b`) && PathPrefix(`/x`)`, `HostSNI(`*`)`: the matchers, without how they are joined. */
export function partsOfRule(rule: string): RuleParts {
  const hosts: string[] = [];
  const paths: string[] = [];
  const patterns: string[] = [];
  for (const [, not, name = '', given = ''] of rule.slice(0, 4_000).matchAll(MATCHER)) {
    const values = [...given.matchAll(TEXT)].map(([, a, b]) => a ?? b ?? '');
    if (not === '!' || /regexp$/i.test(name)) patterns.push(name);
    else if (/^(Host|HostHeader|HostSNI)$/.test(name)) hosts.push(...values.filter((value) => value !== '*'));
    else if (/^Path(Prefix)?$/.test(name)) paths.push(...values);
  }
  return { hosts: [...new Set(hosts)], paths: [...new Set(paths)], patterns: [...new Set(patterns)] };
}
