/** Find an MP4's table of contents by walking its top-level boxes (ISO/IEC 14496-12 section 4.2), a few bytes each. */

const HEAD_BYTES = 16;
const MOST_BOXES = 64;
const PRINTABLE = /^[\x20-\x7e\xa9]{4}$/;

/**
 * Return where the `moov` begins if more media stands before it than bytes behind, undefined where it comes early or
 * there is none: such a file can be watched while it uploads only if its end is sent first.
 */
export async function endToSendFirst(file: Blob): Promise<number | undefined> {
  let media = false;
  let at = 0;
  for (let boxes = 0; boxes < MOST_BOXES && at + 8 <= file.size; boxes += 1) {
    const head = new DataView(await file.slice(at, at + HEAD_BYTES).arrayBuffer());
    const type = String.fromCharCode(...Array.from({ length: 4 }, (_, index) => head.getUint8(4 + index)));
    if (!PRINTABLE.test(type)) return undefined;
    if (type === "moov") return media && file.size - at < at ? at : undefined;
    if (type === "moof") return undefined;
    media ||= type === "mdat";
    const size = sizeOf(head);
    if (size === undefined) return undefined;
    at += size;
  }
  return undefined;
}

/** Return a box's size in bytes; undefined where it reaches to the end or is none. */
function sizeOf(head: DataView): number | undefined {
  const short = head.getUint32(0);
  if (short !== 1) return short >= 8 ? short : undefined;
  if (head.byteLength < HEAD_BYTES) return undefined;
  const long = Number(head.getBigUint64(8));
  return long >= HEAD_BYTES && Number.isSafeInteger(long) ? long : undefined;
}
