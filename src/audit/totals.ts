/**
 * Sums by asset, without bound: what all balances hold must be what was deposited less what was withdrawn. Trades move
 * amounts between balances and change no sum.
 */
import type { SettlementEvent } from '../domain/event.ts';
import type { Finding } from './finding.ts';
import type { EndState } from './fingerprint.ts';
import type { AssetTotal } from './report.ts';

interface Sums {
  deposits: bigint;
  withdrawals: bigint;
  available: bigint;
  frozen: bigint;
}

/** Gathers the sums. Memory depends on the number of assets alone. */
export class Totals {
  readonly #assets = new Map<number, Sums>();

  addEvent(event: SettlementEvent): void {
    if (event.kind === 'deposit') this.#sums(event.currency).deposits += event.amount;
    if (event.kind === 'withdraw') this.#sums(event.currency).withdrawals += event.amount;
  }

  addBalance(balance: Pick<EndState, 'assetId' | 'available' | 'frozen'>): void {
    const sums = this.#sums(balance.assetId);
    sums.available += balance.available;
    sums.frozen += balance.frozen;
  }

  /** Assets whose balances do not sum up. */
  compare(report: (finding: Finding) => void): void {
    for (const [asset, { deposits, withdrawals, available, frozen }] of this.#assets) {
      if (available + frozen === deposits - withdrawals) continue;
      const detail = `asset ${asset}: balances hold ${available} + ${frozen}, but ${deposits} − ${withdrawals} came in`;
      report({ kind: 'asset-total', detail, asset });
    }
  }

  /** All assets, ascending. */
  list(): AssetTotal[] {
    return [...this.#assets]
      .sort(([a], [b]) => a - b)
      .map(([asset, sums]) => ({
        asset,
        deposits: `${sums.deposits}`,
        withdrawals: `${sums.withdrawals}`,
        available: `${sums.available}`,
        frozen: `${sums.frozen}`,
      }));
  }

  #sums(asset: number): Sums {
    let sums = this.#assets.get(asset);
    if (!sums) {
      sums = { deposits: 0n, withdrawals: 0n, available: 0n, frozen: 0n };
      this.#assets.set(asset, sums);
    }
    return sums;
  }
}
