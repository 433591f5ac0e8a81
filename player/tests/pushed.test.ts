/** What is pushed comes over a response, or over a socket where nothing of that comes through. */
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { pushed, Refused } from "../src/engine/pushed";

/** A socket that the test speaks for. */
class Socket {
  static made: Socket[] = [];
  binaryType = "";
  closed = false;
  onmessage: (event: { data: ArrayBuffer }) => void = () => undefined;
  onclose: (event: { code: number }) => void = () => undefined;

  constructor(readonly url: string) {
    Socket.made.push(this);
  }

  close(): void {
    this.closed = true;
  }

  say(...bytes: number[]): void {
    this.onmessage({ data: new Uint8Array(bytes).buffer });
  }
}

const silence = (_: string, { signal }: RequestInit): Promise<Response> =>
  new Promise((_resolve, reject) => signal?.addEventListener("abort", () => reject(new Error("aborted"))));

async function taken(pieces: AsyncGenerator<BufferSource>): Promise<number[]> {
  const all: number[] = [];
  for await (const piece of pieces) all.push(...new Uint8Array(piece as ArrayBuffer));
  return all;
}

beforeEach(() => {
  vi.useFakeTimers();
  Socket.made = [];
  vi.stubGlobal("WebSocket", Socket);
});

afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

test("a response is read to its end and asks for no socket", async () => {
  vi.stubGlobal("fetch", async () => new Response(new Uint8Array([1, 2, 3])));
  expect(await taken(pushed("http://a/360p.push.mp4", new AbortController().signal))).toEqual([1, 2, 3]);
  expect(Socket.made).toEqual([]);
});

test("another status is told and asks for no socket", async () => {
  vi.stubGlobal("fetch", async () => new Response("", { status: 503 }));
  await expect(taken(pushed("http://a/360p.push.mp4", new AbortController().signal))).rejects.toThrow(Refused);
  expect(Socket.made).toEqual([]);
});

test("a response that brings nothing gives way to a socket, whose end is the end", async () => {
  vi.stubGlobal("fetch", silence);
  const all = taken(pushed("https://a/360p.push.mp4", new AbortController().signal));
  await vi.advanceTimersByTimeAsync(1000);
  const [socket] = Socket.made;
  expect(socket?.url).toBe("wss://a/360p.push");
  socket?.say(1, 2);
  socket?.say(3);
  socket?.onclose({ code: 1000 });
  expect(await all).toEqual([1, 2, 3]);
});

test("a socket that is cut is a failure, and one that is left is closed", async () => {
  vi.stubGlobal("fetch", silence);
  const stop = new AbortController();
  const cut = taken(pushed("http://a/360p.push.mp4", stop.signal));
  const left = taken(pushed("http://a/audio-0.push.mp4", stop.signal));
  const ends = Promise.allSettled([cut, left]);
  await vi.advanceTimersByTimeAsync(1000);
  Socket.made[0]?.onclose({ code: 1006 });
  await vi.advanceTimersByTimeAsync(0);
  stop.abort(new Error("left"));
  expect((await ends).map((end) => end.status)).toEqual(["rejected", "rejected"]);
  expect(Socket.made[1]?.closed).toBe(true);
});
