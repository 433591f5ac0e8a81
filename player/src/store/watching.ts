/** The watch page's state: one asset, followed until it is complete. */
import { type Asset, type Coverage, encoded } from "../api/asset";
import { type Api, Problem } from "../api/client";
import type { ControlClient } from "../channel/client";
import type { ControlEvent } from "../channel/messages";
import { joined, type Span, withNumber } from "./spans";
import { type Effects, Store } from "./store";

export interface WatchState {
  asset: Asset | null;
  coverage: Coverage;
  /** Frames a second of the newest Run, 0 where none is known. */
  rate: number;
  signedOut: boolean;
  gone: boolean;
  trouble: string;
  said: string;
}

export type WatchRequest =
  | { type: "load" }
  | { type: "retryAsset" }
  | { type: "reencode" }
  | { type: "title"; title: string }
  | { type: "addCaptions"; language: string; label: string; text: string }
  | { type: "removeCaptions"; language: string }
  | { type: "say"; text: string }
  | { type: "signIn"; token: string };

const NOT_FOUND = 4404;
const EMPTY: WatchState = { asset: null, coverage: {}, rate: 0, signedOut: false, gone: false, trouble: "", said: "" };

/** Return where at least one video rung (or, without video, audio) is encoded, as fractions; undefined if all is. */
export function encodedSpans({ asset, coverage }: Pick<WatchState, "asset" | "coverage">): Span[] | undefined {
  if (!asset || asset.state === "complete") return undefined;
  const videos = asset.rungs.filter(({ kind }) => kind === "video");
  const rungs = videos.length ? videos : asset.rungs.filter(({ kind }) => kind === "audio");
  const spans = rungs.flatMap(({ name, segments }) =>
    (coverage[name] ?? []).map(([first, last]) => [first / segments, (last + 1) / segments] as const),
  );
  return joined(spans, 1e-6);
}

/** Return the fraction 0…1 that can be sought: what has been uploaded. */
export function uploadedReach(asset: Asset | null): number {
  if (asset?.state !== "uploading" && !(asset && asset.received < asset.size)) return 1;
  return asset.size ? asset.received / asset.size : 1;
}

export class Watching {
  readonly store: Store<WatchState, WatchRequest>;

  constructor(
    private readonly id: string,
    private readonly api: Api,
    private readonly control: ControlClient,
  ) {
    this.store = new Store<WatchState, WatchRequest>(EMPTY, this.effects(), (error) => this.failed(error));
  }

  begin(): void {
    this.store.dispatch({ type: "load" });
    this.control.follow(`asset:${this.id}`, {
      snapshot: (state) => {
        const told = (state ?? {}) as { asset?: Asset; coverage?: Coverage };
        if (told.coverage) this.store.set({ coverage: told.coverage });
        if (told.asset) this.store.set({ asset: told.asset });
        else this.store.dispatch({ type: "load" });
      },
      event: (event) => this.heard(event),
      refused: (code) => this.store.set(code === NOT_FOUND ? { gone: true } : { signedOut: true }),
    });
  }

  private effects(): Effects<WatchState, WatchRequest> {
    const { api, id } = this;
    const set = (patch: Partial<WatchState>): void => this.store.set(patch);
    return {
      load: async () => set({ asset: await api.show(id), signedOut: false, trouble: "" }),
      retryAsset: () => api.retry(id),
      reencode: async () => {
        await api.reencode(id);
        set({ said: "Encoding anew. The present version stays until it is done." });
      },
      title: async ({ title }) => {
        if (!title || title === this.store.getState().asset?.title) return;
        await api.rename(id, title);
        this.store.dispatch({ type: "load" });
      },
      addCaptions: async ({ language, label, text }) => {
        await api.putCaptions(id, language, label, text);
        set({ said: "Captions added." });
        this.store.dispatch({ type: "load" });
      },
      removeCaptions: async ({ language }) => {
        await api.removeCaptions(id, language);
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
        this.store.dispatch({ type: "load" });
      },
    };
  }

  private heard(event: ControlEvent): void {
    const state = this.store.getState();
    if (event.type === "asset.changed") this.changed(event.data as Asset);
    if (event.type === "asset.deleted") this.store.set({ gone: true });
    if (event.type === "run.progress") this.store.set({ rate: (event.data as { rate: number } | null)?.rate ?? 0 });
    if (event.type === "upload.progress" && state.asset && event.data) {
      this.store.set({ asset: { ...state.asset, received: (event.data as { received: number }).received } });
    }
    if (event.type === "segment.stored") {
      const { rendition, number } = event.data as { rendition: string; number: number };
      const runs = withNumber(state.coverage[rendition] ?? [], number);
      this.store.set({ coverage: { ...state.coverage, [rendition]: runs } });
    }
  }

  private changed(asset: Asset): void {
    // Nothing of it is encoded: what is known of its segments is of an earlier generation.
    this.store.set({ asset, ...(encoded(asset) ? {} : { coverage: {} }) });
  }

  private failed(error: unknown): void {
    if (error instanceof Problem && error.status === 401) this.store.set({ signedOut: true });
    else if (error instanceof Problem && error.status === 404) this.store.set({ gone: true });
    else this.store.set({ said: error instanceof Error ? error.message : String(error) });
  }
}
