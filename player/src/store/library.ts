/** The library's state: assets, uploads of this page, and what each request does. */
import { type Api, type Page, Problem } from "../api/client";
import type { Asset, Coverage } from "../api/asset";
import type { ControlClient, Link } from "../channel/client";
import type { ControlEvent } from "../channel/messages";
import { Pace } from "../upload/pace";
import type { RunningUpload, startUpload } from "../upload/tus";
import { withNumber } from "./spans";
import { type Effects, Store } from "./store";

export interface LocalUpload {
  key: string;
  name: string;
  size: number;
  sent: number;
  /** Bytes a second. */
  rate: number;
  preview: string;
  state: "sending" | "sent" | "failed";
  asset: string | null;
  message: string;
}

export interface Toast {
  id: string;
  title: string;
}

export interface LibraryState {
  loading: boolean;
  signedOut: boolean;
  link: Link;
  trouble: string;
  assets: readonly Asset[];
  next: string | null;
  filter: string;
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
  link: "waiting",
  trouble: "",
  assets: [],
  next: null,
  filter: "",
  uploads: [],
  coverage: {},
  leaving: [],
};

export function moving(asset: Asset): boolean {
  return asset.state === "probing" || asset.state === "playable" || asset.state === "uploading";
}

/** Return the file's name as a title: no ending, no underscores. */
export function titleOf(name: string): string {
  return name.replace(/\.[^.]{1,5}$/, "").replaceAll("_", " ").trim() || name;
}

export class Library {
  readonly store: Store<LibraryState, LibraryRequest>;
  private readonly followed = new Map<string, () => void>();
  private readonly running = new Map<string, RunningUpload>();
  private readonly undo = new Map<string, ReturnType<typeof setTimeout>>();
  private serial = 0;

  constructor(
    private readonly api: Api,
    private readonly control: ControlClient,
    private readonly send: typeof startUpload,
  ) {
    this.store = new Store<LibraryState, LibraryRequest>(EMPTY, this.effects(), (error) => this.failed(error));
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
    for (const id of this.undo.keys()) this.remove(id);
  }

  private effects(): Effects<LibraryState, LibraryRequest> {
    const { store, api } = { store: (): Store<LibraryState, LibraryRequest> => this.store, api: this.api };
    return {
      load: async () => this.listed(await api.list()),
      more: async () => {
        const { next, assets } = store().getState();
        if (!next) return;
        const page = await api.list(next);
        const known = new Set(assets.map(({ id }) => id));
        store().set({ assets: [...assets, ...page.items.filter(({ id }) => !known.has(id))], next: page.next });
        this.followMoving();
      },
      filter: ({ text }) => store().set({ filter: text }),
      upload: async ({ files }) => {
        for (const file of files) await this.upload(file);
      },
      resend: ({ key }) => {
        this.patch(key, { state: "sending", message: "" });
        this.running.get(key)?.restart();
      },
      dismiss: ({ key }) => this.dismiss(key),
      rename: async ({ id, title }) => {
        const asset = store().getState().assets.find((each) => each.id === id);
        if (!asset || !title.trim() || title === asset.title) return;
        this.put({ ...asset, title });
        await api.rename(id, title).catch((error: unknown) => {
          this.put(asset);
          throw error;
        });
      },
      delete: ({ id }) => {
        const asset = store().getState().assets.find((each) => each.id === id);
        if (!asset || this.undo.has(id)) return;
        store().set({ leaving: [...store().getState().leaving, { id, title: asset.title }] });
        this.undo.set(id, setTimeout(() => this.remove(id), UNDO_MS));
      },
      undo: ({ id }) => {
        clearTimeout(this.undo.get(id));
        this.undo.delete(id);
        store().set({ leaving: store().getState().leaving.filter((toast) => toast.id !== id) });
      },
      retry: ({ id }) => api.retry(id),
      signIn: async ({ token }) => {
        try {
          await api.signIn(token);
        } catch (error) {
          if (error instanceof Problem) store().set({ trouble: "That token is not accepted." });
          else throw error;
          return;
        }
        store().set({ signedOut: false, trouble: "" });
        this.control.wake();
        store().dispatch({ type: "load" });
      },
      hush: () => store().set({ trouble: "" }),
    };
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
    if (event.type === "asset.created" || event.type === "asset.changed") this.put(event.data as Asset);
    if (event.type === "upload.progress" && event.data) this.received(event.data as { id: string; received: number });
    if (event.type === "asset.deleted") this.drop((event.data as { id: string }).id);
  }

  private put(asset: Asset): void {
    const { assets } = this.store.getState();
    const at = assets.findIndex(({ id }) => id === asset.id);
    const next = at < 0 ? [asset, ...assets] : assets.map((each, index) => (index === at ? asset : each));
    this.store.set({ assets: next });
    this.settleUpload(asset);
    this.followMoving();
  }

  private received({ id, received }: { id: string; received: number }): void {
    const { assets } = this.store.getState();
    this.store.set({ assets: assets.map((asset) => (asset.id === id ? { ...asset, received } : asset)) });
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

  private remove(id: string): void {
    clearTimeout(this.undo.get(id));
    this.undo.delete(id);
    const upload = this.store.getState().uploads.find(({ asset }) => asset === id);
    if (upload) this.dismiss(upload.key);
    void this.api.remove(id).then(
      () => this.drop(id),
      (error: unknown) => {
        this.store.set({ leaving: this.store.getState().leaving.filter((toast) => toast.id !== id) });
        this.failed(error);
      },
    );
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
    if (told.coverage) this.store.set({ coverage: { ...this.store.getState().coverage, [id]: told.coverage } });
    if (told.asset) this.put(told.asset);
  }

  private assetEvent(id: string, event: ControlEvent): void {
    if (event.type === "asset.changed") this.put(event.data as Asset);
    if (event.type !== "segment.stored") return;
    const { rendition, number } = event.data as { rendition: string; number: number };
    const { coverage } = this.store.getState();
    const mine = coverage[id] ?? {};
    const runs = withNumber(mine[rendition] ?? [], number);
    this.store.set({ coverage: { ...coverage, [id]: { ...mine, [rendition]: runs } } });
  }

  private async upload(file: File): Promise<void> {
    this.serial += 1;
    const key = `${file.name}-${this.serial}`;
    const pace = new Pace();
    const fresh: LocalUpload = {
      key,
      name: titleOf(file.name),
      size: file.size,
      sent: 0,
      rate: 0,
      preview: URL.createObjectURL(file),
      state: "sending",
      asset: null,
      message: "",
    };
    this.store.set({ uploads: [fresh, ...this.store.getState().uploads] });
    const handlers = {
      named: (asset: string) => this.patch(key, { asset }),
      progress: (sent: number) => this.patch(key, { sent, rate: pace.mark(sent, performance.now()) }),
      done: () => {
        this.patch(key, { state: "sent", sent: file.size, rate: 0 });
        const { assets, uploads } = this.store.getState();
        const asset = assets.find(({ id }) => id === uploads.find((each) => each.key === key)?.asset);
        if (asset) this.settleUpload(asset);
      },
      failed: (message: string, status: number) => {
        this.patch(key, { state: "failed", message, rate: 0 });
        if (status === 401) this.store.set({ signedOut: true });
      },
    };
    this.running.set(key, await this.send(file, titleOf(file.name), handlers));
  }

  private patch(key: string, change: Partial<LocalUpload>): void {
    const { uploads } = this.store.getState();
    this.store.set({ uploads: uploads.map((each) => (each.key === key ? { ...each, ...change } : each)) });
  }

  /** The local copy has done its work once the stream can be played, or will never be. */
  private settleUpload(asset: Asset): void {
    const upload = this.store.getState().uploads.find((each) => each.asset === asset.id);
    if (upload?.state === "sent" && (asset.state === "complete" || asset.state === "playable" || asset.state === "failed")) {
      this.dismiss(upload.key);
    }
  }

  private dismiss(key: string): void {
    const { uploads } = this.store.getState();
    const upload = uploads.find((each) => each.key === key);
    if (upload) URL.revokeObjectURL(upload.preview);
    this.running.get(key)?.stop();
    this.running.delete(key);
    this.store.set({ uploads: uploads.filter((each) => each.key !== key) });
  }
}
