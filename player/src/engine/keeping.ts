/** Keeps hls.js from forgetting parts that it has, when old pictures and sound leave its buffer. */
import Hls, {
  AudioStreamController,
  type BaseStreamController,
  type Bufferable,
  type HlsConfig,
  type SourceBufferName,
} from "hls.js";

const UNDER_WAY: readonly string[] = ["FRAG_LOADING", "PARSING", "PARSED"];

type Look = (media: Bufferable, type: SourceBufferName) => void;

/**
 * Puts off looking for what has left the buffer while a part is under way into it. hls.js (1.7.4) takes the segment of
 * a part that is loaded and not yet appended for one that has left, and forgets that it has the parts before: at the
 * end of that segment it waits for them without asking, and the sound is over until somebody seeks.
 */
export class Late {
  private readonly waiting = new Map<SourceBufferName, Bufferable>();

  constructor(private readonly look: Look) {}

  /** Look what of `type` has left `media`, at once or as soon as nothing is under way. */
  flushed(media: Bufferable, type: SourceBufferName, busy: boolean): void {
    if (busy) this.waiting.set(type, media);
    else this.look(media, type);
  }

  tick(busy: boolean): void {
    if (busy || !this.waiting.size) return;
    const waiting = [...this.waiting];
    this.waiting.clear();
    for (const [type, media] of waiting) this.look(media, type);
  }
}

/** TypeScript asks for these very arguments of a class that another is made of. */
type Controller = new (...told: any[]) => BaseStreamController;

function kept<Base extends Controller>(base: Base): Base {
  return class extends base {
    private readonly late = new Late((media, type) => super.afterBufferFlushed(media, type));

    override doTick(): void {
      this.late.tick(this.busy);
      super.doTick();
    }

    protected override afterBufferFlushed(media: Bufferable, type: SourceBufferName): void {
      this.late.flushed(media, type, this.busy);
    }

    private get busy(): boolean {
      return this.loadingParts && UNDER_WAY.includes(this.state);
    }
  };
}

/** hls.js's controllers of pictures and of sound, with what they have kept. */
export const KEEPING: Partial<HlsConfig> = {
  streamController: kept(Hls.DefaultConfig.streamController),
  audioStreamController: kept(AudioStreamController),
};
