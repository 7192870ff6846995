// The facts about the belt that the running code belongs to. Outside the engine they are unset and nothing is checked.

/** Equal to no name that a belt may give. */
const NONE = Symbol("none");

export const context = {
  /** Technical id of the belt; null outside the engine. */
  beltId: null,
  /** Declared outputs, name to kind (`live_segment`, `data_in`, `profile`); null outside the engine. */
  outputs: null,
  /** Names of the declared live segments; null outside the engine. */
  liveSegments: null,
  /** The live segment that was written last. Most belts write one, and asking the set costs more than comparing. */
  lastLiveSegment: NONE,
};

/** Says which belt runs and what it may write. `declare(null, null)` turns the checks off. */
export function declare(beltId, outputs) {
  context.beltId = beltId;
  context.outputs = outputs === null ? null : new Map(outputs);
  context.liveSegments =
    outputs === null ? null : new Set(outputs.filter(([, kind]) => kind === "live_segment").map(([name]) => name));
  context.lastLiveSegment = NONE;
}
