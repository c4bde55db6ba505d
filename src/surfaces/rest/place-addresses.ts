import type { z } from 'zod';
import { type ErrorCode, ERRORS } from '../../core/error-codes.ts';
import {
  Healthcheck,
  HealthcheckAnswer,
  PlaceJoined,
  PlaceJoining,
  PlaceReport,
  PlaceReportAnswer,
} from '../../core/place-messages.ts';
import { jsonSchemaOf } from '../json-schema-of.ts';
import { ERROR, json, type Path } from './openapi-parts.ts';
import { API } from './routes.ts';

type Refusals = Partial<Record<ErrorCode, string>>;

interface PlaceAddress {
  readonly path: string;
  readonly operationId: string;
  readonly summary: string;
  readonly description: string;
  readonly takes: z.ZodType;
  readonly answers: z.ZodType;
  readonly answered: string;
  /** Whether the token of a place is asked for; who joins has an invitation, and it is in what is sent. */
  readonly token: boolean;
  /** From one address of the network. */
  readonly requestsPerMinute: number;
  /** What it refuses beside what each of them does. */
  readonly refusals: Refusals;
}

/** How the token of a place is sent. It is none of the API's, and opens nothing else. */
export const PLACE_TOKEN = { type: 'http', scheme: 'bearer', bearerFormat: 'stwp_<id>_<secret>_<key>' };

/** Where places come in: what each address takes, answers and refuses. Served and described from here. */
export const PLACE_ADDRESSES = {
  join: {
    path: `${API}/places/join`,
    operationId: 'place-join',
    summary: 'Join as a place',
    description:
      'An invitation, once, for the hash of a token that the place made itself. The same request again, as after an answer that was lost, is answered alike.',
    takes: PlaceJoining,
    answers: PlaceJoined,
    answered: 'From now on the token is that of this place.',
    token: false,
    requestsPerMinute: 20,
    refusals: {
      INPUT_INVALID: 'What was sent is not as described; problems names each field.',
      FORBIDDEN: 'There is no such invitation: it was used, it has expired, or the place was removed.',
    },
  },
  report: {
    path: `${API}/places/report`,
    operationId: 'place-report',
    summary: 'Report as a place',
    description:
      'What a place saw since its last report, and how it is itself. A result that is sent twice is kept once. The answer has the configuration where the place has another one.',
    takes: PlaceReport,
    answers: PlaceReportAnswer,
    answered: 'It was heard.',
    token: true,
    requestsPerMinute: 1_200,
    refusals: {
      INPUT_INVALID: 'What was sent is not as described, and never will be taken; problems names each field.',
    },
  },
  healthcheck: {
    path: '/internal/metrics/healthcheck',
    operationId: 'place-healthcheck',
    summary: 'Post the results of a script',
    description:
      'For scripts, which know services by their names and nothing of configurations: steward probe invite NAME --direct.',
    takes: Healthcheck,
    answers: HealthcheckAnswer,
    answered: 'What is known of it was kept.',
    token: true,
    requestsPerMinute: 1_200,
    refusals: {
      INPUT_INVALID: 'What was sent is not as described, or of a time that has not come; problems names each field.',
    },
  },
} as const satisfies Record<string, PlaceAddress>;

export function placePaths(): Record<string, Path> {
  return Object.fromEntries(
    Object.values<PlaceAddress>(PLACE_ADDRESSES).map((address) => [address.path, { post: described(address) }]),
  );
}

function described(address: PlaceAddress): Path {
  const { operationId, summary, description, takes, answers, answered, token } = address;
  return {
    tags: ['places'],
    security: token ? [{ place: [] }] : [],
    operationId,
    summary,
    description,
    requestBody: { required: true, content: json(jsonSchemaOf(takes, 'input')) },
    responses: {
      200: { description: answered, content: json(jsonSchemaOf(answers, 'output')) },
      ...Object.fromEntries(
        Object.entries(refusalsOf(address)).map(([code, when]) => [
          ERRORS[code as ErrorCode].status,
          { ...ERROR, description: `${code}: ${when}` },
        ]),
      ),
      default: ERROR,
    },
  };
}

function refusalsOf({ token, requestsPerMinute, refusals }: PlaceAddress): Refusals {
  return {
    ...(token && {
      UNAUTHENTICATED:
        'The token is that of no place, or not any more: it was removed, invited anew, or not used for 30 days.',
    }),
    TOO_LARGE: 'The body is larger than 1 MiB.',
    RATE_LIMITED: `More than ${requestsPerMinute} in a minute from this address. Retry-After says when to come again.`,
    STORE_UNAVAILABLE: 'The store does not answer at the moment. Nothing is lost: send the same once more.',
    ...refusals,
  };
}
