import type { ReactNode } from 'react';
import { authOf, limitsOf, type Request } from './request.ts';

/** All that is known of a decision: what was tried, and which counter stood where. */
export function Why({ request }: { readonly request: Request }) {
  return (
    <dl className="facts">
      <dt>Request</dt>
      <dd>{request.id}</dd>
      {authOf(request).map(({ by, of, outcome, why }) => (
        <Fact key={`${by} ${of}`} term={`By ${by}`}>
          {of}: {outcome.replaceAll('-', ' ')}
          {why !== '' && `, ${why}`}
        </Fact>
      ))}
      {limitsOf(request).map(({ rule, key, limit, used, resetAt, allowed, shadow }) => (
        <Fact key={`${rule} ${key}`} term={`Limit ${rule}${shadow ? ' (shadow)' : ''}`}>
          {used} of {limit} used by {key},{' '}
          {allowed ? 'within it' : `over it until ${new Date(resetAt).toLocaleTimeString()}`}
        </Fact>
      ))}
    </dl>
  );
}

function Fact({ term, children }: { readonly term: string; readonly children: ReactNode }) {
  return (
    <>
      <dt>{term}</dt>
      <dd>{children}</dd>
    </>
  );
}
