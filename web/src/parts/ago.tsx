import { useNow } from './clock.ts';
import { lengthOf } from './length.ts';

/** How long ago, kept right; the instant itself shows on hover and to whoever listens. */
export function Ago({ at, bare = false }: { readonly at: string; readonly bare?: boolean }) {
  const now = useNow();
  const length = lengthOf(now - Date.parse(at));
  return (
    <time dateTime={at} title={new Date(at).toLocaleString()}>
      {bare ? length : `${length} ago`}
    </time>
  );
}

/** How long still. */
export function Until({ at }: { readonly at: string }) {
  const now = useNow();
  const left = Date.parse(at) - now;
  return (
    <time dateTime={at} title={new Date(at).toLocaleString()}>
      {left > 0 ? `in ${lengthOf(left)}` : 'now'}
    </time>
  );
}
