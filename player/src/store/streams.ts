/** The go-live page's state: the streams, where each stands, and a key for as long as it may be seen. */
import { type Api, Problem } from "../api/client";
import type { Keyed, Stream } from "../api/stream";
import type { ControlClient, Link } from "../channel/client";
import type { ControlEvent } from "../channel/messages";
import { type Effects, Store } from "./store";

export interface StreamsState {
  loading: boolean;
  signedOut: boolean;
  forbidden: boolean;
  link: Link;
  trouble: string;
  streams: readonly Stream[];
  next: string | null;
  /** Keys that were made on this page, by stream; nowhere else can they be seen. */
  keys: Readonly<Record<string, string>>;
  said: string;
}

export type StreamsRequest =
  | { type: "load" }
  | { type: "more" }
  | { type: "create"; title: string }
  | { type: "rename"; id: string; title: string }
  | { type: "rotate"; id: string }
  | { type: "forget"; id: string }
  | { type: "end"; id: string }
  | { type: "remove"; id: string }
  | { type: "say"; text: string }
  | { type: "signIn"; token: string };

const EMPTY: StreamsState = {
  loading: true,
  signedOut: false,
  forbidden: false,
  link: "waiting",
  trouble: "",
  streams: [],
  next: null,
  keys: {},
  said: "",
};

/** The server takes 64 subscriptions of one connection. */
const FOLLOWED = 60;

export class Streams {
  readonly store: Store<StreamsState, StreamsRequest>;
  private readonly followed = new Map<string, () => void>();

  constructor(
    private readonly api: Api,
    private readonly control: ControlClient,
  ) {
    this.store = new Store<StreamsState, StreamsRequest>(EMPTY, this.effects(), (error) => this.failed(error));
  }

  begin(): void {
    this.store.dispatch({ type: "load" });
  }

  private effects(): Effects<StreamsState, StreamsRequest> {
    const { api } = this;
    return {
      load: async () => {
        const [page, role] = await Promise.all([api.streams(), api.role()]);
        this.store.set({ forbidden: role !== "admin", loading: false, signedOut: false, trouble: "" });
        this.list(page.items, page.next);
      },
      more: async () => {
        const { next, streams } = this.store.getState();
        if (!next) return;
        const page = await api.streams(next);
        this.list([...streams, ...page.items], page.next);
      },
      create: async ({ title }) => {
        const made = await api.createStream(title.trim() || "Live");
        this.list([made, ...this.store.getState().streams], this.store.getState().next);
        this.hold(made);
      },
      rename: async ({ id, title }) => {
        if (title.trim() && title !== this.find(id)?.title) await api.renameStream(id, title.trim());
      },
      rotate: async ({ id }) => this.hold(await api.rotateKey(id)),
      forget: ({ id }) => {
        const { [id]: _, ...keys } = this.store.getState().keys;
        this.store.set({ keys });
      },
      end: ({ id }) => api.endBroadcast(id),
      remove: async ({ id }) => {
        await api.removeStream(id);
        this.drop(id);
      },
      say: ({ text }, { set }) => set({ said: text }),
      signIn: ({ token }) => this.signIn(token),
    };
  }

  private find(id: string): Stream | undefined {
    return this.store.getState().streams.find((stream) => stream.id === id);
  }

  private list(streams: readonly Stream[], next: string | null): void {
    this.store.set({ streams, next });
    for (const { id } of streams.slice(0, FOLLOWED)) {
      if (this.followed.has(id)) continue;
      const leave = this.control.follow(`stream:${id}`, {
        snapshot: (state) => this.put((state as { stream?: Stream } | undefined)?.stream),
        event: (event) => this.heard(id, event),
      });
      this.followed.set(id, leave);
    }
  }

  private heard(id: string, event: ControlEvent): void {
    if (event.type === "stream.changed") this.put(event.data);
    if (event.type === "stream.deleted") this.drop(id);
    const stream = this.find(id);
    if (!stream) return;
    if (event.type === "passthrough.refused") this.put({ ...stream, refusal: event.data.reason });
    if (event.type !== "stream.state") return;
    const { asset, state } = event.data;
    // Another broadcast is looked at anew.
    this.put({ ...stream, asset, state, refusal: state === "connecting" ? undefined : stream.refusal });
  }

  private put(stream: Stream | undefined): void {
    if (!stream) return;
    const { streams } = this.store.getState();
    // Where publishers send to is told by the API alone.
    this.store.set({ streams: streams.map((each) => (each.id === stream.id ? { ...each, ...stream } : each)) });
  }

  private hold({ id, key }: Keyed): void {
    if (key) this.store.set({ keys: { ...this.store.getState().keys, [id]: key } });
  }

  private drop(id: string): void {
    this.followed.get(id)?.();
    this.followed.delete(id);
    this.store.set({ streams: this.store.getState().streams.filter((stream) => stream.id !== id) });
  }

  private async signIn(token: string): Promise<void> {
    try {
      await this.api.signIn(token);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      this.store.set({ trouble: "That token is not accepted." });
      return;
    }
    this.store.set({ signedOut: false, forbidden: false, trouble: "" });
    this.control.renew();
    this.store.dispatch({ type: "load" });
  }

  private failed(error: unknown): void {
    const status = error instanceof Problem ? error.status : 0;
    if (status === 401) this.store.set({ signedOut: true, loading: false });
    else if (status === 403) this.store.set({ forbidden: true, loading: false });
    else this.store.set({ loading: false, said: error instanceof Error ? error.message : String(error) });
  }
}
