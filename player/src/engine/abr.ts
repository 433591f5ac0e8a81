/** hls.js's choice of rungs, held to what exists, and not deceived by requests that the server held. */
import Hls, {
  AbrController,
  ErrorDetails,
  type ErrorData,
  type Events,
  type FragLoadedData,
  type FragLoadingData,
} from "hls.js";
import { type Presence, segmentOf } from "./presence";

export interface Guide {
  readonly presence: Presence;
  /** Return the rung to fetch next, given the one that suits the line. */
  choose(hls: Hls, wanted: number, measured: boolean): number;
  /** Whether the request for pictures or sound is held by now: its segment is still being made. */
  holding(type: string, held: boolean): void;
}

/** Make the controller's class for one engine: hls.js constructs it by itself. */
export function guided(guide: Guide): typeof AbrController {
  return class GuidedAbr extends AbrController {
    private held = false;

    override get firstAutoLevel(): number {
      return this.hls ? guide.choose(this.hls, super.firstAutoLevel, false) : 0;
    }

    override get nextAutoLevel(): number {
      const wanted = super.nextAutoLevel;
      return this.hls && wanted >= 0 ? guide.choose(this.hls, wanted, this.bwEstimator.canEstimate()) : wanted;
    }

    override set nextAutoLevel(level: number) {
      super.nextAutoLevel = level;
    }

    protected override onFragLoading(event: Events.FRAG_LOADING, data: FragLoadingData): void {
      const segment = segmentOf(data.frag.url);
      if (segment) {
        const held = !guide.presence.stored(...segment);
        if (data.frag.type === "main") this.held = held;
        guide.holding(data.frag.type, held);
      }
      super.onFragLoading(event, data);
    }

    protected override onFragLoaded(event: Events.FRAG_LOADED, data: FragLoadedData): void {
      guide.holding(data.frag.type, false);
      const { loading } = data.frag.stats;
      // What was held tells of the encoder: the line is measured from the first byte on.
      if (this.held && data.frag.type === "main") {
        loading.start = Math.max(loading.start, loading.first - this.bwEstimator.getEstimateTTFB());
      }
      super.onFragLoaded(event, data);
    }

    protected override onError(event: Events.ERROR, data: ErrorData): void {
      if (this.held && data.details === ErrorDetails.FRAG_LOAD_TIMEOUT) return;
      super.onError(event, data);
    }
  };
}
