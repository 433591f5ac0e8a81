/** The files that this page sends: their progress, their local copies, and when these have done their work. */
import type { Asset } from "../api/asset";
import { Pace } from "../upload/pace";
import type { RunningUpload, startUpload } from "../upload/tus";

export interface LocalUpload {
  key: string;
  name: string;
  size: number;
  sent: number;
  /** Bytes a second. */
  rate: number;
  /** Object URL of the file, to play it before the stream is there. */
  preview: string;
  state: "sending" | "sent" | "failed";
  asset: string | null;
  message: string;
}

/** The part of the library's state that is written here. */
export interface Shelf {
  getState(): Readonly<{ uploads: readonly LocalUpload[]; assets: readonly Asset[] }>;
  set(patch: { uploads?: readonly LocalUpload[]; signedOut?: boolean }): void;
}

const OVER: readonly Asset["state"][] = ["playable", "complete", "failed"];

/** Return the file's name as a title: no ending, no underscores. */
export function titleOf(name: string): string {
  return name.replace(/\.[^.]{1,5}$/, "").replaceAll("_", " ").trim() || name;
}

export class Uploads {
  private readonly running = new Map<string, RunningUpload>();
  private serial = 0;

  constructor(
    private readonly shelf: Shelf,
    private readonly send: typeof startUpload,
    private readonly now: () => number = () => performance.now(),
  ) {}

  async add(file: File): Promise<void> {
    this.serial += 1;
    const key = `${file.name}-${this.serial}`;
    const title = titleOf(file.name);
    const fresh: LocalUpload = {
      key,
      name: title,
      size: file.size,
      sent: 0,
      rate: 0,
      preview: URL.createObjectURL(file),
      state: "sending",
      asset: null,
      message: "",
    };
    this.shelf.set({ uploads: [fresh, ...this.shelf.getState().uploads] });
    const pace = new Pace();
    const running = await this.send(file, title, {
      named: (asset) => this.patch(key, { asset }),
      progress: (sent) => this.patch(key, { sent, rate: pace.mark(sent, this.now()) }),
      done: () => this.done(key),
      failed: (message, status) => {
        this.patch(key, { state: "failed", message, rate: 0 });
        if (status === 401) this.shelf.set({ signedOut: true });
      },
    });
    this.running.set(key, running);
  }

  resend(key: string): void {
    this.patch(key, { state: "sending", message: "" });
    this.running.get(key)?.restart();
  }

  dismiss(key: string): void {
    const upload = this.find(key);
    if (upload) URL.revokeObjectURL(upload.preview);
    this.running.get(key)?.stop();
    this.running.delete(key);
    this.shelf.set({ uploads: this.shelf.getState().uploads.filter((each) => each.key !== key) });
  }

  dropAsset(id: string): void {
    const upload = this.shelf.getState().uploads.find(({ asset }) => asset === id);
    if (upload) this.dismiss(upload.key);
  }

  /** The local copy has done its work once all is sent and the stream can be played, or never will be. */
  settle(asset: Asset): void {
    const upload = this.shelf.getState().uploads.find((each) => each.asset === asset.id);
    if (upload?.state === "sent" && OVER.includes(asset.state)) this.dismiss(upload.key);
  }

  private find(key: string): LocalUpload | undefined {
    return this.shelf.getState().uploads.find((each) => each.key === key);
  }

  private done(key: string): void {
    const size = this.find(key)?.size ?? 0;
    this.patch(key, { state: "sent", sent: size, rate: 0 });
    const asset = this.shelf.getState().assets.find(({ id }) => id === this.find(key)?.asset);
    if (asset) this.settle(asset);
  }

  private patch(key: string, change: Partial<LocalUpload>): void {
    const { uploads } = this.shelf.getState();
    this.shelf.set({ uploads: uploads.map((each) => (each.key === key ? { ...each, ...change } : each)) });
  }
}
