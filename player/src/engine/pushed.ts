/** What is pushed, piece by piece: one endless response, or a socket where something on the way gathers that. */

/** A response that has brought nothing for so long is not passed on as it comes. */
const GATHERED_MS = 1000;
/** Messages that may wait for the buffer: some seconds of frames. */
const MOST_WAITING = 500;

/** The server answered with another status than 200. */
export class Refused extends Error {
  constructor(readonly status: number) {
    super(`HTTP ${status}`);
  }
}

/**
 * Yield what comes until the server ends it. The next piece of a response is asked for when the one before has been
 * taken. Throws Refused, the signal's reason, and whatever else goes wrong.
 */
export async function* pushed(address: string, signal: AbortSignal): AsyncGenerator<BufferSource> {
  const asking = new AbortController();
  const stop = (): void => asking.abort(signal.reason);
  signal.addEventListener("abort", stop);
  let gathered = false;
  const timer = setTimeout(() => {
    gathered = true;
    asking.abort();
  }, GATHERED_MS);
  try {
    const response = await fetch(address, { signal: asking.signal, cache: "no-store" });
    if (!response.ok || !response.body) throw new Refused(response.status);
    const reader = response.body.getReader();
    for (;;) {
      const { done, value } = await reader.read();
      clearTimeout(timer);
      if (done) return;
      yield value;
    }
  } catch (error) {
    if (!gathered || signal.aborted) throw error;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", stop);
  }
  yield* messages(address.replace(/^http/, "ws").replace(/\.mp4$/, ""), signal);
}

/** Yield the messages of a socket until it is closed as a whole one. Throws where it is not. */
async function* messages(address: string, signal: AbortSignal): AsyncGenerator<BufferSource> {
  const socket = new WebSocket(address);
  socket.binaryType = "arraybuffer";
  const waiting: ArrayBuffer[] = [];
  let code = 0;
  let wake = (): void => undefined;
  const stop = (): void => wake();
  signal.addEventListener("abort", stop);
  socket.onmessage = ({ data }) => {
    if (waiting.push(data as ArrayBuffer) > MOST_WAITING) socket.close();
    wake();
  };
  socket.onclose = (closed) => {
    code = closed.code;
    wake();
  };
  try {
    for (;;) {
      signal.throwIfAborted();
      const next = waiting.shift();
      if (next) yield next;
      else if (code) break;
      else await new Promise<void>((resolve) => (wake = resolve));
    }
  } finally {
    signal.removeEventListener("abort", stop);
    socket.close();
  }
  if (code !== 1000) throw new Error(`The socket was closed with ${code}.`);
}
