import '@xyflow/react/dist/base.css';
import { useComputedColorScheme } from '@mantine/core';
import { Link } from '@tanstack/react-router';
import {
  Controls,
  type Edge as Line,
  Handle,
  MarkerType,
  type Node as Box,
  type NodeProps,
  Position,
  ReactFlow,
} from '@xyflow/react';
import { useMemo } from 'react';
import { State } from '../../parts/state.tsx';
import { toneOf } from '../../parts/tone.ts';
import classes from './graph.module.css';
import { HEIGHT, layOut, WIDTH } from './lay-out.ts';
import type { Graph as Known, Node } from './reach.ts';

interface GraphProps {
  readonly known: Known;
  readonly around: string | undefined;
  readonly affected: ReadonlySet<string> | undefined;
  readonly setAround: (id: string | undefined) => void;
}

type Shown = Box<
  {
    readonly node: Node;
    readonly is: 'it' | 'affected' | 'other' | undefined;
    readonly setAround: (id: string | undefined) => void;
  },
  'service'
>;

const nodeTypes = { service: Service };

/** The services and their edges as a picture: what needs others points at what it needs. */
export function Graph({ known, around, affected, setAround }: GraphProps) {
  const colorMode = useComputedColorScheme();
  const places = useMemo(() => layOut(known), [known]);
  const nodes = known.nodes.map((node): Shown => ({
    id: node.id,
    type: 'service',
    position: places.get(node.id) ?? { x: 0, y: 0 },
    width: WIDTH,
    height: HEIGHT,
    data: {
      node,
      setAround,
      is:
        around === undefined || !affected
          ? undefined
          : node.id === around
            ? 'it'
            : affected.has(node.id)
              ? 'affected'
              : 'other',
    },
  }));
  const within = (id: string): boolean => id === around || affected?.has(id) === true;
  const edges = known.edges.map(({ from, to, kind, depends, fromName, toName }): Line => {
    const burns = depends && within(from) && within(to);
    const color = burns ? 'var(--bad)' : 'var(--calm)';
    return {
      id: `${from} ${to} ${kind}`,
      source: from,
      target: to,
      focusable: false,
      ariaLabel: `${fromName} ${kind.replaceAll('-', ' ')} ${toName}`,
      style: { stroke: color, strokeWidth: burns ? 2.5 : 1.2, ...(!depends && { strokeDasharray: '4 4' }) },
      ...(depends && { markerEnd: { type: MarkerType.ArrowClosed, color } }),
    };
  });
  return (
    <div className={classes.picture}>
      <ReactFlow
        nodes={nodes}
        edges={edges}
        nodeTypes={nodeTypes}
        colorMode={colorMode}
        fitView
        fitViewOptions={{ maxZoom: 1.1 }}
        minZoom={0.1}
        nodesDraggable={false}
        nodesConnectable={false}
        edgesFocusable={false}
        elementsSelectable={false}
        nodesFocusable={false}
        // The page scrolls by the wheel; the picture by its own controls, fingers and Ctrl.
        zoomOnScroll={false}
        preventScrolling={false}
        proOptions={{ hideAttribution: true }}
        onNodeMouseEnter={(_, { id }) => setAround(id)}
        onNodeMouseLeave={() => setAround(undefined)}
      >
        <Controls showInteractive={false} />
      </ReactFlow>
    </div>
  );
}

function Service({ data: { node, is, setAround } }: NodeProps<Shown>) {
  const { id, name, state, critical } = node;
  return (
    <>
      <Handle type="source" position={Position.Right} className={classes.handle ?? ''} />
      <Handle type="target" position={Position.Left} className={classes.handle ?? ''} />
      <Link
        to="/services/$id"
        params={{ id }}
        className={classes.node ?? ''}
        data-tone={toneOf(state)}
        data-is={is}
        onFocus={() => setAround(id)}
        onBlur={() => setAround(undefined)}
      >
        <strong>{name}</strong>
        <State word={state} /> {is === 'affected' && <small>affected</small>}
        {is !== 'affected' && critical && <small>critical</small>}
      </Link>
    </>
  );
}
