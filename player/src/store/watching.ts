/** The watch page's state: one asset, or whichever a live stream shows, followed as it changes. */
import { arriving, type Asset, type Coverage, encoded, onAir } from "../api/asset";
import { type Api, Problem } from "../api/client";
import type { ControlClient, Link } from "../channel/client";
import type { SegmentEvicted, StreamStateChanged, UploadProgress } from "../channel/events";
import type { ControlEvent } from "../channel/messages";
import type { Stream } from "../api/stream";
import type { Presence } from "../engine/presence";
import type { Marked } from "./markers";
import { holds, joined, type Span, withNumber, withoutNumber } from "./spans";
import { type Effects, Store } from "./store";

export interface WatchState {
  asset: Asset | null;
  /** The stream whose page it is, null on the page of an asset. */
  stream: Stream | null;
  /** A later broadcast of that stream than the one that is shown. */
  later: Asset | null;
  coverage: Coverage;
  /** The server has told what is stored. */
  told: boolean;
  /** The generation whose segments are told of, "" before there was one. */
  generation: string;
  link: Link;
  /** Frames a second of the newest Run, 0 where none is known. */
  rate: number;
  /** How many watch, 0 where the server does not tell. */
  viewers: number;
  signedOut: boolean;
  gone: boolean;
  trouble: string;
  said: string;
  /** The playback token of what is shown, "" while there is none. */
  token: string;
}

export type WatchRequest =
  | { type: "load" }
  | { type: "announce"; id: string }
  | { type: "tune" }
  | { type: "retryAsset" }
  | { type: "reencode" }
  | { type: "title"; title: string }
  | { type: "addCaptions"; language: string; label: string; text: string }
  | { type: "removeCaptions"; language: string }
  | { type: "say"; text: string }
  | { type: "signIn"; token: string };

const NOT_FOUND = 4404;
const EMPTY: WatchState = {
  asset: null,
  stream: null,
  later: null,
  coverage: {},
  told: false,
  generation: "",
  link: "waiting",
  rate: 0,
  viewers: 0,
  signedOut: false,
  gone: false,
  trouble: "",
  said: "",
  token: "",
};

/** Return where at least one video rung (or, without video, audio) is encoded, as fractions; undefined if all is. */
export function encodedSpans({ asset, coverage }: Pick<WatchState, "asset" | "coverage">): Span[] | undefined {
  if (!asset || asset.state === "complete" || onAir(asset)) return undefined;
  const videos = asset.rungs.filter(({ kind }) => kind === "video");
  const rungs = videos.length ? videos : asset.rungs.filter(({ kind }) => kind === "audio");
  const spans = rungs.flatMap(({ name, segments }) =>
    (coverage[name] ?? []).map(([first, last]) => [first / segments, (last + 1) / segments] as const),
  );
  return joined(spans, 1e-6);
}

/** Return the second up to which one can seek, Infinity where all of the file is there. */
export function edgeOf(asset: Asset | null): number {
  if (!asset || !arriving(asset)) return Number.POSITIVE_INFINITY;
  return asset.seekable ?? Number.POSITIVE_INFINITY;
}

/** Say whether a segment can be had without a wait, as far as is known. */
export function isStored({ asset, coverage, told }: WatchState, rendition: string, number: number): boolean {
  if (!asset || asset.state === "complete" || onAir(asset) || !told) return true;
  const rung = asset.rungs.find(({ name }) => name === rendition);
  return rung === undefined || (rung.copied ?? false) || holds(coverage[rendition] ?? [], number);
}

export class Watching {
  readonly store: Store<WatchState, WatchRequest>;
  /** What the player's engine asks. */
  readonly presence: Presence;

  private leave: () => void = () => undefined;

  /** `id` is the asset's, "" while the `stream`, of whose page this is, shows none. */
  constructor(
    private id: string,
    private readonly api: Api,
    private readonly control: ControlClient,
    private readonly stream = "",
    /** Takes the markers that are told of on the channel. */
    private readonly marked: (markers: readonly Marked[]) => void = () => undefined,
    /** Takes how many seconds behind the edge its owner wishes a broadcast to be watched. */
    private readonly aimed: (seconds: number) => void = () => undefined,
    /** The token that the page's link came with. */
    private readonly linked = "",
  ) {
    this.store = new Store<WatchState, WatchRequest>(EMPTY, this.effects(), (error) => this.failed(error));
    const now = (): WatchState => this.store.getState();
    this.presence = {
      stored: (rendition, number) => isStored(now(), rendition, number),
      get alive() {
        const { asset, gone, link } = now();
        return asset !== null && asset.state !== "failed" && !gone && link === "open";
      },
      get onAir() {
        const { asset, gone } = now();
        return asset !== null && !gone && onAir(asset);
      },
    };
  }

  /** Which asset is shown, "" while there is none. */
  get shown(): string {
    return this.id;
  }

  /** Get another token for what is shown; a link has one and no more. */
  readonly next = async (): Promise<string> => {
    if (this.linked) return "";
    const token = await this.api.playbackToken(this.id);
    this.store.set({ token });
    return token;
  };

  /** Have a token for an asset that is signed, of who has signed in, or tell what is needed. */
  private async admit({ id, playback, policy }: Asset): Promise<void> {
    if (policy !== "signed" || !playback || this.store.getState().token) return;
    try {
      const token = await this.api.playbackToken(id);
      if (id === this.id) this.store.set({ token });
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      this.store.set({ signedOut: true, trouble: "This video needs a link with a token, or that you sign in." });
    }
  }

  private admitted(asset: Asset): void {
    void this.admit(asset).catch((error: unknown) => this.failed(error));
  }

  begin(): void {
    if (this.linked) {
      this.store.set({ token: this.linked });
      this.control.identify(this.linked);
    }
    if (this.stream) {
      this.control.follow(`stream:${this.stream}`, {
        snapshot: (state) => {
          const { stream = null, asset } = (state ?? {}) as { stream?: Stream | null; asset?: Asset | null };
          this.store.set({ stream });
          this.shows(asset?.id);
        },
        event: (event) => this.streamed(event),
        refused: (code) => this.refused(code),
      });
    }
    if (this.id) this.watch();
  }

  /** Turn to the broadcast that the stream shows now; who may be watching an earlier recording is only told. */
  private shows(id: string | undefined): void {
    if (!id || id === this.id) return;
    const { asset } = this.store.getState();
    if (asset?.playback && !onAir(asset)) this.store.dispatch({ type: "announce", id });
    else this.turn(id);
  }

  private turn(id: string): void {
    this.leave();
    this.id = id;
    this.store.set({ later: null, coverage: {}, told: false, generation: "", rate: 0, viewers: 0, token: this.linked });
    this.watch();
  }

  private watch(): void {
    this.store.dispatch({ type: "load" });
    this.leave = this.control.follow(`asset:${this.id}`, {
      snapshot: (state) => {
        const told = (state ?? {}) as { asset?: Asset; coverage?: Coverage };
        if (told.coverage) this.store.set({ coverage: told.coverage, told: true });
        if (told.asset) {
          this.store.set({ asset: told.asset });
          this.admitted(told.asset);
        } else this.store.dispatch({ type: "load" });
      },
      event: (event) => this.heard(event),
      refused: (code) => this.refused(code),
    });
  }

  private refused(code: number): void {
    this.store.set(code === NOT_FOUND ? { gone: true } : { signedOut: true });
  }

  private streamed(event: ControlEvent): void {
    const { stream } = this.store.getState();
    if (event.type === "stream.changed") this.store.set({ stream: event.data });
    if (event.type !== "stream.state") return;
    const { asset, state } = event.data;
    if (stream) this.store.set({ stream: { ...stream, asset, state } });
    this.shows(asset);
  }

  private effects(): Effects<WatchState, WatchRequest> {
    const { api } = this;
    const set = (patch: Partial<WatchState>): void => this.store.set(patch);
    return {
      load: async () => {
        const { id } = this;
        const asset = await api.show(id);
        if (id !== this.id) return;
        set({ asset, signedOut: false, trouble: "" });
        this.admitted(asset);
      },
      announce: async ({ id }) => set({ later: await api.show(id) }),
      tune: () => {
        const { later } = this.store.getState();
        if (later) this.turn(later.id);
      },
      retryAsset: () => api.retry(this.id),
      reencode: async () => {
        await api.reencode(this.id);
        set({ said: "Encoding anew. The present version stays until it is done." });
      },
      title: async ({ title }) => {
        if (!title || title === this.store.getState().asset?.title) return;
        await api.rename(this.id, title);
        this.store.dispatch({ type: "load" });
      },
      addCaptions: async ({ language, label, text }) => {
        await api.putCaptions(this.id, language, label, text);
        set({ said: "Captions added." });
        this.store.dispatch({ type: "load" });
      },
      removeCaptions: async ({ language }) => {
        await api.removeCaptions(this.id, language);
        this.store.dispatch({ type: "load" });
      },
      say: ({ text }) => set({ said: text }),
      signIn: async ({ token }) => {
        try {
          await api.signIn(token);
        } catch (error) {
          if (!(error instanceof Problem)) throw error;
          set({ trouble: "That token is not accepted." });
          return;
        }
        this.control.renew();
        if (this.id) this.store.dispatch({ type: "load" });
      },
    };
  }

  private heard(event: ControlEvent): void {
    const state = this.store.getState();
    if (event.type.startsWith("marker")) this.marked([event.data as Marked]);
    if (event.type === "asset.changed") this.changed(event.data);
    if (event.type === "stream.state") this.stands(event.data);
    if (event.type === "asset.deleted") this.store.set({ gone: true });
    if (event.type === "run.progress") this.store.set({ rate: event.data.rate });
    if (event.type === "latency.target") this.aimed(event.data.seconds);
    if (event.type === "viewers") this.store.set({ viewers: event.data.count });
    if (event.type === "upload.progress" && state.asset) this.arrived(state.asset, event.data);
    if (event.type === "segment.stored") this.covered(event.data, withNumber);
    if (event.type === "segment.evicted") this.covered(event.data, withoutNumber);
  }

  private stands({ state }: StreamStateChanged): void {
    const { asset } = this.store.getState();
    if (asset?.live) this.store.set({ asset: { ...asset, live: { ...asset.live, state } } });
  }

  private arrived(asset: Asset, { received, size, seekable }: UploadProgress): void {
    this.store.set({
      asset: { ...asset, received, size: size ?? asset.size, seekable: seekable ?? asset.seekable ?? null },
    });
  }

  private covered({ generation, rendition, number }: SegmentEvicted, change: typeof withNumber): void {
    // What is known of the segments of an earlier generation says nothing of this one's.
    const state = this.store.getState();
    const known = !state.generation || state.generation === generation ? state.coverage : {};
    this.store.set({ generation, coverage: { ...known, [rendition]: change(known[rendition] ?? [], number) } });
  }

  private changed(asset: Asset): void {
    const before = this.store.getState().asset;
    if (before?.live && before.state !== "complete" && asset.state === "complete") {
      this.store.set({ said: "The broadcast is over. This is its recording." });
    }
    // Nothing of it is encoded: what is known of its segments is of an earlier generation.
    this.store.set({ asset, ...(encoded(asset) ? {} : { coverage: {} }) });
    this.admitted(asset);
  }

  private failed(error: unknown): void {
    if (error instanceof Problem && error.status === 401) this.store.set({ signedOut: true });
    else if (error instanceof Problem && error.status === 404) this.store.set({ gone: true });
    else this.store.set({ said: error instanceof Error ? error.message : String(error) });
  }
}
