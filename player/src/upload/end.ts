/** The end of a file, sent before the rest as a partial upload of its own; it is resumed at its own address. */
import { Upload } from "tus-js-client";
import { ENDPOINT, RETRIES_MS } from "./endpoint";

export interface SendingEnd {
  /** Settles when the end is kept, or the server does not take it: then the file goes without it. */
  readonly done: Promise<void>;
  stop(): void;
  /** The whole file is kept: nothing has to be remembered of its end. */
  forget(): void;
}

const SHELF = "streamer.end.";

/** Send the bytes from `offset` on; once they are kept they are not sent again after a reload. */
export function sendEnd(
  file: File,
  { asset, offset }: { asset: string; offset: number },
  progress: (sent: number) => void,
): SendingEnd {
  const piece = file.slice(offset);
  const mark = SHELF + asset;
  if (localStorage.getItem(mark) === String(offset)) {
    progress(piece.size);
    return { done: Promise.resolve(), stop: () => undefined, forget: () => localStorage.removeItem(mark) };
  }
  let upload: Upload | undefined;
  const done = new Promise<void>((resolve, reject) => {
    upload = new Upload(piece, {
      endpoint: ENDPOINT,
      headers: { "Upload-Concat": "partial" },
      metadata: { asset, offset: String(offset) },
      fingerprint: () => Promise.resolve(`end-${asset}-${offset}-${file.size}`),
      retryDelays: RETRIES_MS,
      uploadDataDuringCreation: false,
      removeFingerprintOnSuccess: true,
      onProgress: progress,
      onSuccess: () => {
        localStorage.setItem(mark, String(offset));
        resolve();
      },
      onError: (error) => {
        const status = "originalResponse" in error ? (error.originalResponse?.getStatus() ?? 0) : 0;
        progress(0);
        if (status >= 400 && status < 500 && status !== 401) resolve();
        else reject(error);
      },
    });
    begin(upload).catch(reject);
  });
  return { done, stop: () => void upload?.abort(), forget: () => localStorage.removeItem(mark) };
}

async function begin(upload: Upload): Promise<void> {
  const [earlier] = await upload.findPreviousUploads();
  if (earlier) upload.resumeFromPreviousUpload(earlier);
  upload.start();
}
