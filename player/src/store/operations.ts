/** The operator page's state: asked for again and again while somebody looks. */
import { type Api, Problem } from "../api/client";
import type { Queue, Run, RunState, Worker } from "../api/operations";
import { type Timer, wallTimer } from "../channel/timer";
import { type Effects, Store } from "./store";

export type View = "open" | "failed" | "done";

export interface OperationsState {
  view: View;
  runs: readonly Run[] | null;
  queue: Queue | null;
  workers: readonly Worker[];
  /** The server's time of the last answer, milliseconds. */
  now: number;
  signedOut: boolean;
  forbidden: boolean;
  trouble: string;
}

export type OperationsRequest = { type: "view"; view: View } | { type: "signIn"; token: string } | { type: "refresh" };

const EVERY_MS = 2000;
const RUNS = 100;
const STATES: Record<View, readonly RunState[]> = { open: ["queued", "running"], failed: ["failed"], done: ["done"] };
const EMPTY: OperationsState = {
  view: "open",
  runs: null,
  queue: null,
  workers: [],
  now: 0,
  signedOut: false,
  forbidden: false,
  trouble: "",
};

export class Operations {
  readonly store: Store<OperationsState, OperationsRequest>;
  private forget: (() => void) | undefined;
  private looking = false;

  constructor(
    private readonly api: Api,
    private readonly timer: Timer = wallTimer,
  ) {
    this.store = new Store<OperationsState, OperationsRequest>(EMPTY, this.effects(), (error) => this.failed(error));
  }

  /** Ask now and every two seconds from then on, until `rest`. */
  look(): void {
    if (this.looking) return;
    this.looking = true;
    this.store.dispatch({ type: "refresh" });
  }

  rest(): void {
    this.looking = false;
    this.forget?.();
  }

  private effects(): Effects<OperationsState, OperationsRequest> {
    return {
      refresh: () => this.refresh(),
      view: async ({ view }) => {
        this.store.set({ view, runs: null });
        await this.refresh();
      },
      signIn: async ({ token }) => {
        try {
          await this.api.signIn(token);
        } catch (error) {
          if (!(error instanceof Problem)) throw error;
          this.store.set({ trouble: "That token is not accepted." });
          return;
        }
        this.store.set({ signedOut: false, forbidden: false, trouble: "" });
        await this.refresh();
      },
    };
  }

  private async refresh(): Promise<void> {
    this.forget?.();
    const { view } = this.store.getState();
    try {
      const [runs, queue, workers] = await Promise.all([
        this.api.runs(STATES[view], RUNS),
        this.api.queue(),
        this.api.workers(),
      ]);
      if (view !== this.store.getState().view) return;
      this.store.set({
        runs: runs.items,
        queue,
        workers: workers.items,
        now: Date.parse(runs.now),
        signedOut: false,
        forbidden: false,
        trouble: "",
      });
    } catch (error) {
      this.failed(error);
    } finally {
      this.again();
    }
  }

  private again(): void {
    this.forget?.();
    const { signedOut, forbidden } = this.store.getState();
    if (!this.looking || signedOut || forbidden) return;
    this.forget = this.timer.after(EVERY_MS, () => this.store.dispatch({ type: "refresh" }));
  }

  private failed(error: unknown): void {
    const status = error instanceof Problem ? error.status : 0;
    if (status === 401) this.store.set({ signedOut: true });
    else if (status === 403) this.store.set({ forbidden: true });
    else this.store.set({ trouble: error instanceof Error ? error.message : String(error) });
  }
}

/** Count the seconds from a time of the server's to another. */
export function age(since: string, now: number): number {
  return Math.max(0, (now - Date.parse(since)) / 1000);
}

/** Write which segments a Run makes, as people count them: "segment 5", "segments 5–8". */
export function range({ first, last }: Pick<Run, "first" | "last">): string {
  return first === last ? `segment ${first + 1}` : `segments ${first + 1}–${last + 1}`;
}
