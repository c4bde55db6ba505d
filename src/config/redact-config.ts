import type { z } from 'zod';
import { REDACTED, redact } from '../core/redact.ts';
import type { Config } from './schema.ts';
import type { WorkflowCalls } from './schema-workflows.ts';

type WorkflowCall = NonNullable<WorkflowCalls['on_user_register']['welcome']>;

/** The configuration as it may be shown: the addresses of channels and the values of headers are secrets in many products. */
export function redactConfig(config: Config): z.core.util.JSONType {
  const { custom: _own, ...calls } = config.workflows;
  const shown: Config = {
    ...config,
    services: config.services.map((service) => ({
      ...service,
      checks: service.checks.map((check) =>
        'headers' in check ? { ...check, headers: hideTexts(check.headers) } : check,
      ),
    })),
    alerts: {
      ...config.alerts,
      channels: config.alerts.channels.map(hideChannel),
    },
    audit: {
      ...config.audit,
      checkpoints: config.audit.checkpoints.map((place) =>
        'url' in place ? { ...place, url: hidePath(place.url) } : place,
      ),
    },
    workflows: {
      custom: config.workflows.custom,
      ...Object.fromEntries(
        Object.entries(calls).map(([workflow, steps]) => [
          workflow,
          Object.fromEntries(
            Object.entries(steps as Readonly<Record<string, WorkflowCall | undefined>>).map(([step, call]) => [
              step,
              call && { ...call, url: hidePath(call.url), headers: hideTexts(call.headers) },
            ]),
          ),
        ]),
      ),
    } as Config['workflows'],
    ...(config.deadMan ? { deadMan: { ...config.deadMan, url: hidePath(config.deadMan.url) } } : {}),
  };
  return redact(JSON.parse(JSON.stringify(shown)) as z.core.util.JSONType);
}

type Channel = Config['alerts']['channels'][number];

/** With many products the address is the secret, and so is what an open server calls a place. */
function hideChannel(channel: Channel): Channel {
  if (channel.kind === 'email' || channel.kind === 'script' || channel.kind === 'issue') return channel;
  const shown = { ...channel, url: hidePath(channel.url) } as typeof channel;
  if (shown.kind === 'webhook') return { ...shown, headers: hideValues(shown.headers) };
  if (shown.kind === 'ntfy') return { ...shown, topic: hideText(shown.topic) };
  return shown.kind === 'apprise' ? { ...shown, key: hideText(shown.key) } : shown;
}

function hideText<T>(text: string | T): string | T {
  return typeof text === 'string' ? REDACTED : text;
}

function hideValues(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.keys(headers).map((name) => [name, REDACTED]));
}

/** References stay: they say where a secret is, and not what. */
function hideTexts<T>(headers: Readonly<Record<string, string | T>>): Record<string, string | T> {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name, typeof value === 'string' ? REDACTED : value]),
  );
}

function hidePath<T>(url: string | T): string | T {
  if (typeof url !== 'string') return url;
  const { origin, pathname, search } = new URL(url);
  return pathname === '/' && search === '' ? `${origin}/` : `${origin}/${REDACTED}`;
}
