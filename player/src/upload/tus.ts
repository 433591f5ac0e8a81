/** One file on its way to the server, over tus; it survives lost connections and, with the file picked again, reloads. */
import { Upload } from "tus-js-client";

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

const ENDPOINT = "/api/v1/uploads";
const RETRIES_MS = [0, 500, 1000, 3000, 5000];
const ASSET_SHELF = "streamer.upload.";

/**
 * Start or resume. The creation carries no data (else its address would be known only when all is sent), and the
 * rest goes in one PATCH: the server takes bytes as they land.
 */
export async function startUpload(file: File, title: string, handlers: UploadHandlers): Promise<RunningUpload> {
  const upload = new Upload(file, {
    endpoint: ENDPOINT,
    metadata: { filename: file.name, filetype: file.type || "application/octet-stream", title },
    retryDelays: RETRIES_MS,
    uploadDataDuringCreation: false,
    removeFingerprintOnSuccess: true,
    onProgress: (sent) => handlers.progress(sent),
    onAfterResponse: (_request, response) => {
      const asset = response.getHeader("Streamer-Asset");
      if (!asset) return;
      if (upload.url) keepAsset(upload.url, asset);
      handlers.named(asset);
    },
    onUploadUrlAvailable: () => {
      const known = upload.url && keptAsset(upload.url);
      if (known) handlers.named(known);
    },
    onSuccess: () => {
      if (upload.url) forgetAsset(upload.url);
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
  return { stop: () => void upload.abort(), restart: () => upload.start() };
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
