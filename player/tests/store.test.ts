/** The store, what is remembered, and the library's state over the real client code. */
import { expect, test, vi } from "vitest";
import { arriving, type Asset, onAir } from "../src/api/asset";
import type { Api } from "../src/api/client";
import type { ControlClient, Listener } from "../src/channel/client";
import type { ControlEvent } from "../src/channel/messages";
import { Memory } from "../src/store/memory";
import { type Effects, Store } from "../src/store/store";
import { type LocalUpload, type Shelf, Uploads } from "../src/store/uploads";
import type { UploadHandlers } from "../src/upload/tus";
import { edgeOf, encodedSpans, isStored, Watching, type WatchState } from "../src/store/watching";

interface Count {
  count: number;
}
type Ask = { type: "add"; by: number } | { type: "twice" } | { type: "break" } | { type: "later" };

const effects: Effects<Count, Ask> = {
  add: ({ by }, { get, set }) => set({ count: get().count + by }),
  twice: (_, { dispatch }) => {
    dispatch({ type: "add", by: 1 });
    dispatch({ type: "add", by: 1 });
  },
  break: () => {
    throw new Error("now");
  },
  later: () => Promise.reject(new Error("later")),
};

function made(): { store: Store<Count, Ask>; errors: string[] } {
  const errors: string[] = [];
  return { store: new Store<Count, Ask>({ count: 0 }, effects, (error) => errors.push((error as Error).message)), errors };
}

test("a request runs its effect, and listeners hear of the change until they leave", () => {
  const { store } = made();
  const heard: number[] = [];
  const leave = store.subscribe(({ count }) => heard.push(count));
  store.dispatch({ type: "twice" });
  leave();
  store.dispatch({ type: "add", by: 5 });
  expect(heard).toEqual([1, 2]);
  expect(store.getState().count).toBe(7);
});

test("what does not change anything is told to nobody", () => {
  const { store } = made();
  let heard = 0;
  store.subscribe(() => (heard += 1));
  store.dispatch({ type: "add", by: 0 });
  expect(heard).toBe(0);
});

test("failures of effects, at once or later, reach one place", async () => {
  const { store, errors } = made();
  store.dispatch({ type: "break" });
  store.dispatch({ type: "later" });
  await Promise.resolve();
  await Promise.resolve();
  expect(errors).toEqual(["now", "later"]);
});

function shelf(): Map<string, string> & { getItem(key: string): string | null; setItem(key: string, value: string): void; removeItem(key: string): void } {
  const map = new Map<string, string>();
  return Object.assign(map, {
    getItem: (key: string) => map.get(key) ?? null,
    setItem: (key: string, value: string) => void map.set(key, value),
    removeItem: (key: string) => void map.delete(key),
  });
}

test("a place in the middle is kept, one at an edge is forgotten", () => {
  const memory = new Memory(shelf(), () => 1);
  memory.keepPlace("a", 61.7, 600);
  expect(memory.place("a")).toBe(61);
  memory.keepPlace("a", 596, 600);
  expect(memory.place("a")).toBe(0);
});

test("only the newest places are kept, and a broken shelf only forgets", () => {
  const store = shelf();
  let now = 0;
  const memory = new Memory(store, () => (now += 1));
  for (let each = 0; each < 250; each += 1) memory.keepPlace(`v${each}`, 100, 600);
  expect(memory.place("v10")).toBe(0);
  expect(memory.place("v249")).toBe(100);
  store.setItem("streamer.places", "{");
  expect(memory.place("v249")).toBe(0);
});

test("a line is remembered for an hour", () => {
  let now = 0;
  const memory = new Memory(shelf(), () => now);
  expect(memory.line()).toBe(0);
  memory.keepLine(5_000_000.4);
  expect(memory.line()).toBe(5_000_000);
  now = 3_600_000;
  expect(memory.line()).toBe(0);
});

const asset: Asset = {
  id: "a",
  title: "A",
  state: "playable",
  created: "",
  duration: 40,
  size: 100,
  received: 100,
  playback: { hls: "/v/a/main.m3u8", dash: "/v/a/main.mpd" },
  poster: null,
  storyboard: null,
  rungs: [
    { name: "v480", kind: "video", width: 854, height: 480, segments: 10, done: 2 },
    { name: "v240", kind: "video", width: 428, height: 240, segments: 10, done: 1 },
    { name: "a", kind: "audio", width: 0, height: 0, segments: 10, done: 10 },
  ],
  captions: [],
  warnings: [],
  failure: null,
};

test("the timeline shows where any rung's picture is encoded, until all is", () => {
  const coverage: Record<string, [number, number][]> = { v480: [[0, 1]], v240: [[2, 2], [5, 5]], a: [[0, 9]] };
  expect(encodedSpans({ asset, coverage })).toEqual([[0, 0.3], [0.5, 0.6]]);
  expect(encodedSpans({ asset: { ...asset, state: "complete" }, coverage })).toBeUndefined();
});

test("a broadcast on air has no file to wait for, and nothing of it is encoded ahead", () => {
  const live: Asset = { ...asset, size: null, received: 0, live: { stream: "s", state: "live" } };
  expect(arriving(live)).toBe(false);
  expect(edgeOf(live)).toBe(Infinity);
  expect(encodedSpans({ asset: live, coverage: {} })).toBeUndefined();
  expect(onAir(live)).toBe(true);
  expect(onAir({ ...live, live: { stream: "s", state: "ended" } })).toBe(false);
  expect(onAir(asset)).toBe(false);
});

test("while a file is on its way one can seek as far as the server says", () => {
  const coming: Asset = { ...asset, state: "playable", received: 25, seekable: 12.5 };
  expect(edgeOf(coming)).toBe(12.5);
  expect(edgeOf({ ...coming, size: null })).toBe(12.5);
  expect(edgeOf({ ...coming, seekable: null })).toBe(Infinity);
  expect(edgeOf({ ...coming, received: coming.size ?? 0 })).toBe(Infinity);
  expect(edgeOf({ ...coming, state: "complete" })).toBe(Infinity);
  expect(edgeOf(null)).toBe(Infinity);
});

test("a segment is there where the server told so, or nothing is known", () => {
  const name = asset.rungs[0]?.name ?? "";
  const state = { asset: { ...asset, state: "playable" }, told: true, coverage: { [name]: [[2, 3]] } } as unknown as WatchState;
  expect([1, 2, 3, 4].map((number) => isStored(state, name, number))).toEqual([false, true, true, false]);
  expect(isStored(state, "no rung of ours", 1)).toBe(true);
  expect(isStored({ ...state, told: false }, name, 1)).toBe(true);
  expect(isStored({ ...state, asset }, name, 1)).toBe(asset.state === "complete");
  const copied = { ...asset, state: "playable", rungs: [{ ...asset.rungs[0], copied: true }] } as Asset;
  expect(isStored({ ...state, asset: copied }, name, 9)).toBe(true);
});

test("an upload is a card at once, and goes when its stream can be played", async () => {
  const state: { uploads: readonly LocalUpload[]; assets: readonly Asset[] } = { uploads: [], assets: [] };
  const shelf: Shelf = { getState: () => state, set: (patch) => Object.assign(state, patch) };
  let told: UploadHandlers | undefined;
  let now = 0;
  const send = async (_file: File, _title: string, handlers: UploadHandlers) => {
    told = handlers;
    return { stop: () => undefined, restart: () => undefined };
  };
  const uploads = new Uploads(shelf, send, () => (now += 1000));
  await uploads.add(new File(["0123456789"], "my_film.mp4"));
  told?.named("a");
  told?.progress(2);
  told?.progress(6);
  expect(state.uploads[0]).toMatchObject({ name: "my film", sent: 6, rate: 4, state: "sending", asset: "a" });
  uploads.settle(asset);
  expect(state.uploads).toHaveLength(1);
  told?.done();
  expect(state.uploads[0]).toMatchObject({ state: "sent", sent: 10 });
  uploads.settle({ ...asset, state: "probing" });
  expect(state.uploads).toHaveLength(1);
  uploads.settle(asset);
  expect(state.uploads).toHaveLength(0);
});

/** Begin a page's state over a channel whose listeners the test has. */
function watched(id: string, stream: string): { watching: Watching; listeners: Map<string, Listener> } {
  const listeners = new Map<string, Listener>();
  const control = {
    follow: (channel: string, listener: Listener) => {
      listeners.set(channel, listener);
      return () => listeners.delete(channel);
    },
  } as unknown as ControlClient;
  const api = { show: (shown: string) => Promise.resolve({ ...asset, id: shown }) } as unknown as Api;
  const watching = new Watching(id, api, control, stream);
  watching.begin();
  return { watching, listeners };
}

test("the page of a stream turns to each broadcast as it begins", async () => {
  const { watching, listeners } = watched("", "s");
  expect([...listeners.keys()]).toEqual(["stream:s"]);
  const stream = listeners.get("stream:s");
  stream?.snapshot({ stream: {}, asset: null });
  expect(watching.store.getState().asset).toBeNull();
  for (const id of ["a1", "a1", "a2"]) {
    stream?.event({ type: "stream.state", data: { asset: id } } as unknown as ControlEvent);
  }
  expect([...listeners.keys()]).toEqual(["stream:s", "asset:a2"]);
  await vi.waitFor(() => expect(watching.store.getState().asset?.id).toBe("a2"));
});

test("how many watch is shown as it is told, and forgotten with the broadcast", () => {
  const { watching, listeners } = watched("a1", "s");
  listeners.get("asset:a1")?.event({ type: "viewers", data: { count: 12 } } as unknown as ControlEvent);
  expect(watching.store.getState().viewers).toBe(12);
  listeners.get("stream:s")?.event({ type: "stream.state", data: { asset: "a2" } } as unknown as ControlEvent);
  expect(watching.store.getState().viewers).toBe(0);
});

test("markers of the asset's channel are handed on, and such as are gone", () => {
  const listeners: Listener[] = [];
  const control = { follow: (_: string, listener: Listener) => listeners.push(listener) } as unknown as ControlClient;
  const api = { show: () => new Promise(() => undefined) } as unknown as Api;
  const marked: unknown[] = [];
  new Watching("a", api, control, "", (markers) => marked.push(...markers)).begin();
  for (const [type, data] of [["marker", { id: "m", date: "2026-11-28T12:00:00Z" }], ["marker.deleted", { id: "m" }], ["viewers", {}]]) {
    listeners[0]?.event({ type, data } as unknown as ControlEvent);
  }
  expect(marked).toEqual([{ id: "m", date: "2026-11-28T12:00:00Z" }, { id: "m" }]);
});

test("the delay that the broadcast's owner wishes for is handed on", () => {
  const listeners: Listener[] = [];
  const control = { follow: (_: string, listener: Listener) => listeners.push(listener) } as unknown as ControlClient;
  const api = { show: () => new Promise(() => undefined) } as unknown as Api;
  const aimed: number[] = [];
  new Watching("a", api, control, "", undefined, (seconds) => aimed.push(seconds)).begin();
  listeners[0]?.event({ type: "latency.target", data: { seconds: 0.3 } } as unknown as ControlEvent);
  expect(aimed).toEqual([0.3]);
});
