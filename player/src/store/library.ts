/** The library's state: assets, uploads of this page, and what each request does. */
import { type Api, type Page, Problem } from "../api/client";
import { type Asset, type Coverage, encoded } from "../api/asset";
import type { ControlClient, Link } from "../channel/client";
import type { UploadProgress } from "../channel/events";
import type { ControlEvent } from "../channel/messages";
import type { startUpload } from "../upload/tus";
import { withNumber } from "./spans";
import { type Effects, Store } from "./store";
import { type LocalUpload, Uploads } from "./uploads";

export interface Toast {
  id: string;
  title: string;
}

export interface LibraryState {
  loading: boolean;
  signedOut: boolean;
  /** May see the operator's page. */
  operator: boolean;
  link: Link;
  trouble: string;
  assets: readonly Asset[];
  next: string | null;
  filter: string;
  /** The stream whose broadcasts alone are shown, "" for everything. */
  stream: string;
  uploads: readonly LocalUpload[];
  coverage: Readonly<Record<string, Coverage>>;
  /** Deleted for the eye; for good when its time to undo is over. */
  leaving: readonly Toast[];
}

export type LibraryRequest =
  | { type: "load" }
  | { type: "more" }
  | { type: "filter"; text: string }
  | { type: "upload"; files: readonly File[] }
  | { type: "resend"; key: string }
  | { type: "dismiss"; key: string }
  | { type: "rename"; id: string; title: string }
  | { type: "delete"; id: string }
  | { type: "undo"; id: string }
  | { type: "retry"; id: string }
  | { type: "signIn"; token: string }
  | { type: "hush" };

const UNDO_MS = 6000;
/** The server takes 64 subscriptions of one connection; the newest assets are the ones that are looked at. */
const FOLLOWED = 40;
const EMPTY: LibraryState = {
  loading: true,
  signedOut: false,
  operator: false,
  link: "waiting",
  trouble: "",
  assets: [],
  next: null,
  filter: "",
  stream: "",
  uploads: [],
  coverage: {},
  leaving: [],
};

/** Return the assets that the page shows: of one stream or all, with the wanted words in their titles. */
export function listed({ assets, filter, leaving, stream, uploads }: Readonly<LibraryState>): Asset[] {
  const gone = new Set(leaving.map(({ id }) => id));
  const sending = new Set(uploads.map(({ asset }) => asset));
  const wanted = filter.trim().toLowerCase();
  return assets.filter(
    ({ id, live, title }) =>
      title.toLowerCase().includes(wanted) && !gone.has(id) && !sending.has(id) && (!stream || live?.stream === stream),
  );
}

export function moving(asset: Asset): boolean {
  return asset.state === "probing" || asset.state === "playable" || asset.state === "uploading";
}

export class Library {
  readonly store: Store<LibraryState, LibraryRequest>;
  private readonly followed = new Map<string, () => void>();
  private readonly undo = new Map<string, ReturnType<typeof setTimeout>>();
  private readonly uploads: Uploads;

  constructor(
    private readonly api: Api,
    private readonly control: ControlClient,
    send: typeof startUpload,
    stream = "",
  ) {
    this.store = new Store<LibraryState, LibraryRequest>({ ...EMPTY, stream }, this.effects(), (error) => this.failed(error));
    this.uploads = new Uploads(this.store, send);
  }

  /** Load the list and follow what changes. */
  begin(): void {
    this.control.follow("assets", {
      snapshot: (state) => this.listed(state as Page | undefined),
      event: (event) => this.changed(event),
    });
    this.store.dispatch({ type: "load" });
  }

  /** Finish at once the deletions whose time to undo still runs, as when the page is left. */
  settle(): void {
    for (const id of this.undo.keys()) void this.remove(id);
  }

  private effects(): Effects<LibraryState, LibraryRequest> {
    return {
      load: async () => {
        this.listed(await this.api.list());
        this.store.set({ operator: (await this.api.role()) === "admin" });
      },
      more: () => this.more(),
      filter: ({ text }, { set }) => set({ filter: text }),
      upload: async ({ files }) => {
        for (const file of files) await this.uploads.add(file);
      },
      resend: ({ key }) => this.uploads.resend(key),
      dismiss: ({ key }) => this.uploads.dismiss(key),
      rename: ({ id, title }) => this.rename(id, title),
      delete: ({ id }) => this.leave(id),
      undo: ({ id }) => this.keep(id),
      retry: ({ id }) => this.api.retry(id),
      signIn: ({ token }) => this.signIn(token),
      hush: (_, { set }) => set({ trouble: "" }),
    };
  }

  private find(id: string): Asset | undefined {
    return this.store.getState().assets.find((asset) => asset.id === id);
  }

  private async more(): Promise<void> {
    const { next } = this.store.getState();
    if (!next) return;
    const page = await this.api.list(next);
    const { assets } = this.store.getState();
    const known = new Set(assets.map(({ id }) => id));
    this.store.set({ assets: [...assets, ...page.items.filter(({ id }) => !known.has(id))], next: page.next });
    this.followMoving();
  }

  /** Show the new title at once; take it back where the server does not take it. */
  private async rename(id: string, title: string): Promise<void> {
    const asset = this.find(id);
    if (!asset || !title.trim() || title === asset.title) return;
    this.put({ ...asset, title });
    try {
      await this.api.rename(id, title);
    } catch (error) {
      this.put(asset);
      throw error;
    }
  }

  private leave(id: string): void {
    const asset = this.find(id);
    if (!asset || this.undo.has(id)) return;
    this.store.set({ leaving: [...this.store.getState().leaving, { id, title: asset.title }] });
    this.undo.set(id, setTimeout(() => void this.remove(id), UNDO_MS));
  }

  private keep(id: string): void {
    clearTimeout(this.undo.get(id));
    this.undo.delete(id);
    this.store.set({ leaving: this.store.getState().leaving.filter((toast) => toast.id !== id) });
  }

  private async signIn(token: string): Promise<void> {
    try {
      await this.api.signIn(token);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      this.store.set({ trouble: "That token is not accepted." });
      return;
    }
    this.store.set({ signedOut: false, trouble: "" });
    this.control.renew();
    this.store.dispatch({ type: "load" });
  }

  private failed(error: unknown): void {
    if (error instanceof Problem && error.status === 401) {
      this.store.set({ signedOut: true, loading: false });
      return;
    }
    this.store.set({ loading: false, trouble: error instanceof Error ? error.message : String(error) });
  }

  private listed(page: Page | undefined): void {
    if (!page) return;
    this.store.set({ assets: page.items, next: page.next, loading: false, signedOut: false, trouble: "" });
    this.followMoving();
  }

  private changed(event: ControlEvent): void {
    if (event.type === "asset.created" || event.type === "asset.changed") this.put(event.data);
    if (event.type === "upload.progress") this.received(event.data);
    if (event.type === "asset.deleted") this.drop(event.data.id);
  }

  private put(asset: Asset): void {
    const { assets } = this.store.getState();
    const at = assets.findIndex(({ id }) => id === asset.id);
    const next = at < 0 ? [asset, ...assets] : assets.map((each, index) => (index === at ? asset : each));
    this.store.set({ assets: next });
    // Nothing of it is encoded: what is known of its segments is of an earlier generation.
    if (!encoded(asset)) this.cover(asset.id, {});
    this.uploads.settle(asset);
    this.followMoving();
  }

  private received({ id, received, seekable = null }: UploadProgress): void {
    const { assets } = this.store.getState();
    this.store.set({ assets: assets.map((asset) => (asset.id === id ? { ...asset, received, seekable } : asset)) });
  }

  private drop(id: string): void {
    const { assets, leaving } = this.store.getState();
    this.followed.get(id)?.();
    this.followed.delete(id);
    this.store.set({
      assets: assets.filter((asset) => asset.id !== id),
      leaving: leaving.filter((toast) => toast.id !== id),
    });
  }

  private async remove(id: string): Promise<void> {
    clearTimeout(this.undo.get(id));
    this.undo.delete(id);
    this.uploads.dropAsset(id);
    try {
      await this.api.remove(id);
      this.drop(id);
    } catch (error) {
      this.keep(id);
      this.failed(error);
    }
  }

  /** Follow the channel of each asset that is on its way, and of no other. */
  private followMoving(): void {
    const wanted = new Set(this.store.getState().assets.filter(moving).slice(0, FOLLOWED).map(({ id }) => id));
    for (const [id, leave] of this.followed) {
      if (wanted.has(id)) continue;
      leave();
      this.followed.delete(id);
    }
    for (const id of wanted) {
      if (this.followed.has(id)) continue;
      const leave = this.control.follow(`asset:${id}`, {
        snapshot: (state) => this.snapshot(id, state),
        event: (event) => this.assetEvent(id, event),
      });
      this.followed.set(id, leave);
    }
  }

  private snapshot(id: string, state: unknown): void {
    const told = (state ?? {}) as { asset?: Asset; coverage?: Coverage };
    if (told.asset) this.put(told.asset);
    if (told.coverage) this.cover(id, told.coverage);
  }

  private cover(id: string, coverage: Coverage): void {
    this.store.set({ coverage: { ...this.store.getState().coverage, [id]: coverage } });
  }

  private assetEvent(id: string, event: ControlEvent): void {
    if (event.type === "asset.changed") this.put(event.data);
    if (event.type !== "segment.stored") return;
    const { rendition, number } = event.data;
    const mine = this.store.getState().coverage[id] ?? {};
    this.cover(id, { ...mine, [rendition]: withNumber(mine[rendition] ?? [], number) });
  }
}
