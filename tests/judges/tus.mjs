// Upload a file by tus-js-client in every way it knows, and print what came of each as one line of JSON.
// Usage: node tus.mjs ENDPOINT FILE
import { createReadStream, mkdtempSync, readFileSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import * as tus from "tus-js-client";

const [endpoint, path] = process.argv.slice(2);
const size = statSync(path).size;
const metadata = { filename: "é film.mp4" };
const urlStorage = new tus.FileUrlStorage(join(mkdtempSync(join(tmpdir(), "tus-")), "urls.json"));

function upload(options, source = readFileSync(path)) {
  return new Promise((resolve, reject) => {
    const sent = new tus.Upload(source, {
      endpoint,
      metadata,
      retryDelays: [0, 100],
      onError: reject,
      onSuccess: () => resolve(sent.url),
      ...options,
    });
    sent.start();
  });
}

// Stop in the middle, as a closed page does, and go on with a fresh object that finds the old one's address.
async function resumed(options) {
  const file = () => createReadStream(path);
  const storage = { urlStorage, storeFingerprintForResuming: true, removeFingerprintOnSuccess: true, metadata, endpoint, ...options };
  await new Promise((resolve, reject) => {
    const first = new tus.Upload(file(), {
      ...storage,
      onError: reject,
      onSuccess: () => reject(new Error("it was over before it could be stopped")),
      onProgress: (sent) => sent > size / 2 && resolve(first.abort()),
    });
    first.start();
  });
  const asked = [];
  const url = await new Promise((resolve, reject) => {
    const second = new tus.Upload(file(), {
      ...storage,
      onBeforeRequest: (request) => asked.push(request.getMethod()),
      onError: reject,
      onSuccess: () => resolve(second.url),
    });
    second.findPreviousUploads().then((previous) => {
      second.resumeFromPreviousUpload(previous[0]);
      second.start();
    }, reject);
  });
  if (!asked.includes("HEAD")) throw new Error(`not resumed: ${asked}`);
  return url;
}

// A stream that does not say which file it is: of one that does, the client takes the length all the same.
function unnamed() {
  return createReadStream(path).pipe(new PassThrough());
}

const ways = {
  plain: () => upload({}),
  chunks: () => upload({ chunkSize: 300_000 }),
  "with creation": () => upload({ uploadDataDuringCreation: true }),
  "with creation, in chunks": () => upload({ uploadDataDuringCreation: true, chunkSize: 300_000 }),
  parallel: () => upload({ parallelUploads: 3 }),
  override: () => upload({ overridePatchMethod: true }),
  deferred: () => upload({ uploadLengthDeferred: true, chunkSize: 300_000 }, unnamed()),
  resumed: () => resumed({ chunkSize: 300_000 }),
  "resumed, parallel": () => resumed({ chunkSize: 100_000, parallelUploads: 2 }),
};

for (const [way, go] of Object.entries(ways)) {
  console.log(JSON.stringify({ way, size, url: await go() }));
}
const gone = await upload({});
try {
  await tus.Upload.terminate(gone, { retryDelays: null });
  console.log(JSON.stringify({ way: "terminate whole", refused: false }));
} catch {
  console.log(JSON.stringify({ way: "terminate whole", refused: true }));
}
