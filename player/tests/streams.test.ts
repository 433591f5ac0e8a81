/** The go-live page: what it lists, what it hears of it, and keys that are seen once. And the library of one stream. */
import { expect, test, vi } from "vitest";
import type { Asset } from "../src/api/asset";
import { type Api, Problem } from "../src/api/client";
import type { Keyed, Stream } from "../src/api/stream";
import type { ControlClient, Listener } from "../src/channel/client";
import type { ControlEvent } from "../src/channel/messages";
import { type LibraryState, listed } from "../src/store/library";
import { Streams } from "../src/store/streams";

const stream: Stream = {
  id: "s",
  title: "Sea",
  state: "idle",
  created: "",
  asset: null,
  playback: { hls: "", dash: "" },
  page: "/watch/s",
  ingest: { rtmp: "rtmp://here/live" },
};
const keyed = (id: string, key: string): Keyed => ({ ...stream, id, key });

function opened(api: Partial<Record<keyof Api, unknown>> = {}): { streams: Streams; listeners: Map<string, Listener> } {
  const listeners = new Map<string, Listener>();
  const control = {
    follow: (channel: string, listener: Listener) => {
      listeners.set(channel, listener);
      return () => listeners.delete(channel);
    },
  } as unknown as ControlClient;
  const whole = { streams: async () => ({ items: [stream], next: null }), role: async () => "admin", ...api };
  const streams = new Streams(whole as unknown as Api, control);
  streams.begin();
  return { streams, listeners };
}

const heard = (type: string, data: unknown): ControlEvent => ({ type, data }) as unknown as ControlEvent;

test("each stream that is listed is followed, and keeps its address when it changes", async () => {
  const { streams, listeners } = opened();
  await vi.waitFor(() => expect([...listeners.keys()]).toEqual(["stream:s"]));
  listeners.get("stream:s")?.event(heard("stream.state", { stream: "s", asset: "a", state: "live" }));
  const { ingest: _, ...told } = { ...stream, title: "Sea view", asset: "a", state: "live" };
  listeners.get("stream:s")?.event(heard("stream.changed", told));
  expect(streams.store.getState().streams).toEqual([{ ...told, ingest: stream.ingest }]);
  listeners.get("stream:s")?.event(heard("stream.deleted", { id: "s" }));
  expect(streams.store.getState().streams).toEqual([]);
  expect(listeners.size).toBe(0);
});

test("why pictures are not passed through is told until the next broadcast", async () => {
  const { streams, listeners } = opened();
  await vi.waitFor(() => expect([...listeners.keys()]).toEqual(["stream:s"]));
  const tell = (type: string, data: unknown): void => listeners.get("stream:s")?.event(heard(type, data));
  const refusal = (): string | undefined => streams.store.getState().streams[0]?.refusal;
  tell("passthrough.refused", { stream: "s", asset: "a", reason: "its keyframes are far apart" });
  tell("stream.state", { stream: "s", asset: "a", state: "live" });
  expect(refusal()).toBe("its keyframes are far apart");
  tell("stream.state", { stream: "s", asset: "b", state: "connecting" });
  expect(refusal()).toBeUndefined();
});

test("a key is seen until one has it, and a new one takes its place", async () => {
  const { streams } = opened({ createStream: async () => keyed("n", "k1"), rotateKey: async () => keyed("n", "k2") });
  await vi.waitFor(() => expect(streams.store.getState().loading).toBe(false));
  streams.store.dispatch({ type: "create", title: "New" });
  await vi.waitFor(() => expect(streams.store.getState().keys).toEqual({ n: "k1" }));
  expect(streams.store.getState().streams.map(({ id }) => id)).toEqual(["n", "s"]);
  streams.store.dispatch({ type: "rotate", id: "n" });
  await vi.waitFor(() => expect(streams.store.getState().keys).toEqual({ n: "k2" }));
  streams.store.dispatch({ type: "forget", id: "n" });
  expect(streams.store.getState().keys).toEqual({});
});

test.each([
  [{ role: async () => "viewer" }, { forbidden: true, signedOut: false }],
  [{ streams: async () => Promise.reject(new Problem(401, "", "")) }, { forbidden: false, signedOut: true }],
])("who may not make streams is told so", async (api, told) => {
  const { streams } = opened(api);
  await vi.waitFor(() => expect(streams.store.getState()).toMatchObject({ loading: false, ...told }));
});

test("the library of one stream has its broadcasts and nothing else", () => {
  const all = [
    { id: "1", title: "Sea", live: { stream: "s", state: "live" } },
    { id: "2", title: "Sea", live: { stream: "other", state: "ended" } },
    { id: "3", title: "Film", live: null },
    { id: "4", title: "Deleted", live: { stream: "s", state: "ended" } },
  ] as unknown as Asset[];
  const state = { assets: all, filter: "", leaving: [{ id: "4", title: "" }], uploads: [] } as unknown as LibraryState;
  expect(listed({ ...state, stream: "s" }).map(({ id }) => id)).toEqual(["1"]);
  expect(listed({ ...state, stream: "" }).map(({ id }) => id)).toEqual(["1", "2", "3"]);
});
