/** The contenders of a plan, in the order of the report. */
import type { Contender, ContenderName } from '../contender.ts';
import type { Plan } from '../options.ts';
import type { Places } from '../place.ts';
import type { Children } from '../process/children.ts';
import type { MarketOptions } from '../stream/market.ts';
import { DirectContender, SweptContender, type DirectKind, type Sweep } from './direct.ts';
import { Product } from './product.ts';

/** What contenders are given. */
export interface ContendersOptions {
  readonly children: Children;
  readonly places: Places;
  /** Where CPU profiles of the product go, if any are wanted. */
  readonly cpuProf?: string | undefined;
}

const SEED = 20_260;

/** How the ceiling's rows are cut (process/write-ceiling.ts). */
const CEILING_SWEEP: Sweep = {
  groupEvents: [20, 10, 40],
  inFlight: [16, 8, 32, 64],
  entriesPerWrite: [50, 25, 100],
  packed: [1, 0],
  windowEvents: [10_000, 2_500, 40_000],
};

/** What matters most; the rest is as full runs found it best, or makes no difference in a short one. */
const QUICK_CEILING_SWEEP: Sweep = {
  ...CEILING_SWEEP,
  entriesPerWrite: [50],
  packed: [1],
  windowEvents: [10_000],
};

/** Workflows under way at once. */
const WORKFLOW_SWEEP: Sweep = { inFlight: [16, 32, 64] };

const SETTLER: DirectKind = {
  name: 'settler',
  program: 'process/settler-alone.ts',
  firstTrades: 4_000,
  verified: 'audit',
};

/** What makes the servers' code compile before the first round: the settler, in a place that nobody looks at. */
export function warmingContender(plan: Plan, { children, places }: ContendersOptions): Contender {
  const market: MarketOptions = { users: plan.users, shape: 'uniform', seed: SEED };
  return new DirectContender({ ...SETTLER, place: 'warming' }, market, children, places);
}

/** The whole product over the plan's usual market. */
export function productOf(plan: Plan, { children, places, cpuProf }: ContendersOptions): Product {
  const execArgv = cpuProf === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${cpuProf}`];
  return new Product(
    'product',
    { users: plan.users, shape: 'uniform', seed: SEED },
    { children, places, execArgv },
  );
}

/** Makes those contenders that the plan names. */
export function contendersOf(plan: Plan, options: ContendersOptions): Contender[] {
  const { children, places, cpuProf } = options;
  const uniform: MarketOptions = { users: plan.users, shape: 'uniform', seed: SEED };
  const execArgv = cpuProf === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${cpuProf}`];
  const product = (name: ContenderName, market: MarketOptions): Contender =>
    new Product(name, market, { children, places, execArgv });
  const makers: Readonly<Partial<Record<ContenderName, () => Contender>>> = {
    classicLoop: () =>
      new DirectContender(
        { name: 'classicLoop', program: 'process/classic-loop.ts', firstTrades: 200, verified: 'trades' },
        uniform,
        children,
        places,
      ),
    workflowPerTrade: () =>
      new SweptContender(
        {
          name: 'workflowPerTrade',
          program: 'process/workflow-per-trade.ts',
          firstTrades: plan.workflowSweepTrades,
          verified: 'trades-and-entries',
        },
        uniform,
        children,
        places,
        WORKFLOW_SWEEP,
        plan.workflowSweepTrades,
      ),
    writeCeiling: () =>
      new SweptContender(
        {
          name: 'writeCeiling',
          program: 'process/write-ceiling.ts',
          firstTrades: plan.sweepTrades,
          verified: 'trades-and-entries',
          // Ready-made rows of some hundred thousand trades.
          execArgv: ['--max-old-space-size=6144'],
        },
        uniform,
        children,
        places,
        plan.mode === 'quick' ? QUICK_CEILING_SWEEP : CEILING_SWEEP,
        plan.sweepTrades,
      ),
    settler: () => new DirectContender(SETTLER, uniform, children, places),
    product: () => productOf(plan, options),
    productManyUsers: () =>
      product('productManyUsers', { users: plan.manyUsers, shape: 'uniform', seed: SEED, split: true }),
    productSkewed: () => product('productSkewed', { ...uniform, shape: 'skewed' }),
    productHot: () => product('productHot', { ...uniform, shape: 'hot' }),
  };
  return plan.shares.flatMap((share) => (share === 'latency' ? [] : (makers[share]?.() ?? [])));
}
