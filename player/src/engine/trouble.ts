/** hls.js's errors in words. */
import Hls, { type ErrorData } from "hls.js";
import type { Trouble } from "./engine";

/** Say whether a segment of the plan is not there any more: the manifests name another generation by now. */
export function gone({ details, response }: ErrorData): boolean {
  return details === Hls.ErrorDetails.FRAG_LOAD_ERROR && (response?.code === 404 || response?.code === 410);
}

/** Say whether the server does not let this viewer have it, or not any more: asking again by the same way is no use. */
export function refused({ response }: ErrorData): boolean {
  return response?.code === 401 || response?.code === 403;
}

/** Say in words what cannot be helped. */
export function trouble(data: ErrorData): Trouble {
  const status = data.response?.code;
  const detail = [data.details, status ? `HTTP ${status}` : "", data.error?.message ?? ""].filter(Boolean).join(" · ");
  if (refused(data)) {
    return { kind: "refused", message: "This video may not be played here.", detail };
  }
  if (status === 404 || status === 410) {
    return { kind: "network", message: "This video is no longer here.", detail };
  }
  if (data.type === Hls.ErrorTypes.NETWORK_ERROR) {
    return { kind: "network", message: "The connection to the server is lost.", detail };
  }
  if (data.details === Hls.ErrorDetails.MANIFEST_INCOMPATIBLE_CODECS_ERROR) {
    return { kind: "unsupported", message: "This browser cannot decode the video.", detail };
  }
  return { kind: "media", message: "The video could not be played.", detail };
}
