/** One file on its way to the server, over tus; it survives lost connections and, with the file picked again, reloads. */
import { Upload } from "tus-js-client";
import { sendEnd, type SendingEnd } from "./end";
import { ENDPOINT, RETRIES_MS } from "./endpoint";
import { endToSendFirst } from "./walk";

export interface UploadHandlers {
  /** The server has made the asset. */
  named(asset: string): void;
  progress(sent: number): void;
  done(): void;
  failed(message: string, status: number): void;
}

export interface RunningUpload {
  stop(): void;
  restart(): void;
}

const ASSET_SHELF = "streamer.upload.";

/**
 * Start or resume. The creation carries no data (else its address would be known only when all is sent), and the
 * rest goes in one PATCH: the server takes bytes as they land. Where an MP4's table of contents stands at its end,
 * the end goes first, so that the file can be watched while the rest is on its way.
 */
export async function startUpload(file: File, title: string, handlers: UploadHandlers): Promise<RunningUpload> {
  const end = await endToSendFirst(file).catch(() => undefined);
  let ending: SendingEnd | undefined;
  let asset = "";
  let headSent = 0;
  let endSent = 0;
  const progress = (): void => handlers.progress(Math.min(file.size, headSent + endSent));
  const named = (id: string): void => {
    asset = id;
    handlers.named(id);
  };
  const upload = new Upload(file, {
    endpoint: ENDPOINT,
    metadata: { filename: file.name, filetype: file.type || "application/octet-stream", title },
    retryDelays: RETRIES_MS,
    uploadDataDuringCreation: false,
    removeFingerprintOnSuccess: true,
    ...(end ? { chunkSize: end } : {}),
    onProgress: (sent) => {
      headSent = sent;
      progress();
    },
    onBeforeRequest: async (request) => {
      if (end === undefined || request.getMethod() !== "PATCH" || !asset) return;
      ending ??= sendEnd(file, { asset, offset: end }, (sent) => {
        endSent = sent;
        progress();
      });
      try {
        await ending.done;
      } catch (error) {
        ending = undefined;
        throw error;
      }
    },
    onAfterResponse: (request, response) => {
      const told = response.getHeader("Streamer-Asset");
      if (told) {
        if (upload.url) keepAsset(upload.url, told);
        named(told);
      }
      if (end !== undefined && request.getMethod() === "HEAD") {
        const left = end - Number(response.getHeader("Upload-Offset") ?? 0);
        upload.options.chunkSize = left > 0 ? left : Number.POSITIVE_INFINITY;
      }
    },
    onUploadUrlAvailable: () => {
      const known = upload.url && keptAsset(upload.url);
      if (known) named(known);
    },
    onSuccess: () => {
      if (upload.url) forgetAsset(upload.url);
      ending?.forget();
      handlers.done();
    },
    onError: (error) => {
      const response = "originalResponse" in error ? error.originalResponse : null;
      handlers.failed(reason(response?.getBody(), error.message), response?.getStatus() ?? 0);
    },
  });
  const earlier = await upload.findPreviousUploads();
  const newest = earlier.sort((a, b) => b.creationTime.localeCompare(a.creationTime))[0];
  if (newest) upload.resumeFromPreviousUpload(newest);
  upload.start();
  return {
    stop: () => {
      ending?.stop();
      void upload.abort();
    },
    restart: () => {
      ending = undefined;
      upload.start();
    },
  };
}

function reason(body: string | undefined, fallback: string): string {
  try {
    const told = JSON.parse(body ?? "") as { detail?: string; title?: string };
    return told.detail || told.title || fallback;
  } catch {
    return fallback.startsWith("tus:") ? "The connection to the server is lost." : fallback;
  }
}

// The creation's answer alone names the asset, so a resumed upload has to remember it beside its address.
function keepAsset(url: string, asset: string): void {
  localStorage.setItem(ASSET_SHELF + new URL(url, location.href).pathname, asset);
}

function keptAsset(url: string): string | null {
  return localStorage.getItem(ASSET_SHELF + new URL(url, location.href).pathname);
}

function forgetAsset(url: string): void {
  localStorage.removeItem(ASSET_SHELF + new URL(url, location.href).pathname);
}
