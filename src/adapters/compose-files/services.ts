import type { ComposeNeed, ComposeService, Place } from '../../core/declared.ts';
import type { YamlNode } from '../config-files/yaml-file.ts';
import type { ComposeFiles, Layer } from './load.ts';

interface Value {
  readonly text: string;
  readonly place: Place;
}

interface Entry {
  readonly name: string;
  /** Undefined in a list. */
  readonly node: YamlNode | undefined;
  readonly layer: Layer;
  readonly place: Place;
}

/** What the layers of one service say together: later ones replace single values and add to lists. */
export function serviceOf(name: string, layers: readonly Layer[], files: ComposeFiles): ComposeService {
  const value = ({ variables }: Layer, { text, place }: { text: string | undefined; place: Place }): Value[] => {
    const known = text === undefined ? undefined : files.valueOf(text, place, variables);
    return known === undefined ? [] : [{ text: known, place }];
  };
  const last = (member: string): string | undefined =>
    layers.flatMap((layer) => value(layer, layer.node.get(member))).at(-1)?.text;
  const texts = (member: string): Value[] =>
    layers.flatMap((layer) =>
      layer.node
        .get(member)
        .texts()
        .flatMap((each) => value(layer, each)),
    );
  /** A list of names, or a map of them. */
  const entries = (member: string): Entry[] =>
    layers.flatMap((layer): Entry[] => {
      const node = layer.node.get(member);
      if (node.isMap)
        return node.entries().map(([key, inner]) => ({ name: key, node: inner, layer, place: inner.place }));
      return node
        .texts()
        .flatMap((each) => value(layer, each))
        .map(({ text, place }) => ({ name: text, node: undefined, layer, place }));
    });

  const needs = new Map<string, ComposeNeed>();
  const need = (by: ComposeNeed['by'], service: string, place: Place, condition?: string): void => {
    if (service !== '' && service !== name)
      needs.set(`${by} ${service}`, { service, by, place, ...(condition ? { condition } : {}) });
  };
  for (const { name: service, node, place } of entries('depends_on')) {
    const condition = node?.get('condition').text;
    need('depends_on', service, place, condition === 'service_started' ? undefined : condition);
  }
  for (const { text, place } of texts('links')) need('links', text.split(':')[0] ?? '', place);
  for (const { text, place } of texts('network_mode'))
    if (text.startsWith('service:')) need('network_mode', text.slice('service:'.length), place);
  for (const { text, place } of texts('volumes_from'))
    if (!text.startsWith('container:')) need('volumes_from', text.split(':')[0] ?? '', place);

  const labels = entries('labels').flatMap(({ name: label, node, layer, place }): [string, string][] => {
    if (node) return value(layer, { text: node.text ?? '', place }).map(({ text }) => [label, text]);
    const [key = '', ...rest] = label.split('=');
    return [[key, rest.join('=')]];
  });
  const networks = new Map(
    entries('networks')
      .filter(({ name: network }) => network !== 'default')
      .map(({ name: network, place }) => [network, { name: files.networks.get(network) ?? network, place }]),
  );
  const health = layers.map(({ node }) => node.get('healthcheck')).findLast((node) => !node.missing);
  const first = layers.at(-1)?.node;
  return {
    name,
    place: first?.place ?? { file: '', line: 0 },
    image: last('image'),
    containerName: last('container_name'),
    ports: portsOf(layers, files),
    needs: [...needs.values()],
    networks: [...networks.values()],
    healthcheck:
      health !== undefined && health.get('disable').text !== 'true' && health.get('test').texts()[0]?.text !== 'NONE',
    restart: last('restart'),
    profiles: [...new Set(texts('profiles').map(({ text }) => text))],
    labels: Object.fromEntries(labels.filter(([key]) => key !== '')),
  };
}

const MOST_PORTS = 100;

/** Ports of the machine: `8080:80`, `127.0.0.1:8080:80/tcp`, `3000-3002:3000-3002`, or with names. */
function portsOf(layers: readonly Layer[], files: ComposeFiles): number[] {
  const found = new Set<number>();
  for (const { node, variables } of layers) {
    for (const item of node.get('ports').items()) {
      const written = item.isMap ? item.get('published').text : item.text;
      const known = written === undefined ? undefined : files.valueOf(written, item.place, variables);
      if (known === undefined) continue;
      const [from, to] = item.isMap ? rangeOf(known) : publishedOf(known);
      for (let port = from; port <= to && found.size < MOST_PORTS; port += 1)
        if (port > 0 && port <= 65_535) found.add(port);
    }
  }
  return [...found];
}

/** A port alone is one of the container, published wherever there is room. */
function publishedOf(text: string): [number, number] {
  const parts = text
    .replace(/\/\w+$/, '')
    .replace(/^\[[^\]]*\]/, '')
    .split(':');
  return parts.length < 2 ? [1, 0] : rangeOf(parts.at(-2) ?? '');
}

function rangeOf(text: string): [number, number] {
  const match = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(text);
  return match ? [Number(match[1]), Number(match[2] ?? match[1])] : [1, 0];
}
