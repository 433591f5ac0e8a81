/** Which group of audio a device should hear, where a stream lists every rung once for each group. */

export interface Heard {
  groupId: string;
  /** Channels as HLS writes them: "2", "6", "16/JOC". */
  channels?: string;
}

const STEREO = 2;

/**
 * Return the group with the most channels that the device can play, two at least; undefined where there is no
 * choice. `device` counts the device's channels and is asked only where a group has more than two.
 */
export function groupFor(tracks: readonly Heard[], device: () => number): string | undefined {
  const groups = new Map<string, number>();
  for (const { groupId, channels } of tracks) {
    groups.set(groupId, Math.max(groups.get(groupId) ?? 0, Number.parseInt(channels ?? "", 10) || STEREO));
  }
  if (groups.size < 2) return undefined;
  const order = [...groups].sort((a, b) => a[1] - b[1]);
  const most = (order.at(-1)?.[1] ?? 0) > STEREO ? Math.max(STEREO, device()) : STEREO;
  return (order.filter(([, count]) => count <= most).at(-1) ?? order[0])?.[0];
}

/** Count the channels of the device that sound goes to now; two where the browser does not tell. */
export function deviceChannels(): number {
  try {
    const context = new AudioContext();
    const count = context.destination.maxChannelCount;
    void context.close();
    return count;
  } catch {
    return STEREO;
  }
}
