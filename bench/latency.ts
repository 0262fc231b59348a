/** Latency of the product, against the least that Temporal itself takes. */

/** Milliseconds of so many samples. */
export interface LatencyFigure {
  readonly p50: number;
  readonly p99: number;
}

/** What was measured. */
export interface LatencyReport {
  readonly latencyMs: {
    /** A lone trade, from the engine's socket to a readable row. */
    readonly lone: LatencyFigure;
    /** A lone Update with one activity that does nothing. */
    readonly update: LatencyFigure;
    /** Trades at a share of the product's top rate. */
    readonly load20?: LatencyFigure;
    readonly load80?: LatencyFigure;
  };
  readonly samples: Readonly<Record<string, number>>;
}
