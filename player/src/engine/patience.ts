/** How long hls.js waits and asks again for what it does not get. */
import type { LoaderResponse, LoadPolicy, RetryConfig } from "hls.js";
import type { Presence } from "./presence";

/** So soon a broadcast is asked for again: its server comes back under the same addresses. */
const SOON_MS = 2000;

/** Return how often a request is repeated: of a broadcast without an end while nothing says that it is over. */
function repeated(presence: Presence, least: number, wait: number): RetryConfig {
  return {
    get maxNumRetry() {
      return presence.onAir ? Number.POSITIVE_INFINITY : least;
    },
    retryDelayMs: wait,
    get maxRetryDelayMs() {
      return presence.onAir ? SOON_MS : 8000;
    },
    shouldRetry: (_config, _count, timeout, response, retry) => retry || (presence.onAir && (timeout || passing(response))),
  };
}

/** Say whether the server was not there, or not able to; hls.js itself takes what has no status for final. */
function passing(response: LoaderResponse | undefined): boolean {
  const code = response?.code ?? 0;
  return code === 0 || code >= 500;
}

/**
 * Of segments. A request is held by the server while it is being encoded, so waiting long is normal and cheaper than
 * asking again; and there is no end to it while the server says that it goes on.
 */
export function ofSegments(presence: Presence): LoadPolicy {
  return {
    default: {
      maxTimeToFirstByteMs: 30_000,
      maxLoadTimeMs: 120_000,
      timeoutRetry: {
        maxNumRetry: 8,
        retryDelayMs: 0,
        maxRetryDelayMs: 0,
        shouldRetry: (_config, _count, _timeout, _response, retry) => retry || presence.alive || presence.onAir,
      },
      errorRetry: repeated(presence, 8, 500),
    },
  };
}

/** Of playlists, which answer at once or within the limits that hls.js has for them. */
export function ofPlaylists(presence: Presence): LoadPolicy {
  return {
    default: {
      maxTimeToFirstByteMs: 10_000,
      maxLoadTimeMs: 20_000,
      timeoutRetry: repeated(presence, 2, 0),
      errorRetry: repeated(presence, 2, 1000),
    },
  };
}
