/** What the child is asked, as its only argument. */
export type FitnessJob =
  | { readonly do: 'look'; readonly path: string; readonly waitMs: number; readonly tables: boolean }
  | {
      readonly do: 'analyze' | 'free' | 'vacuum' | 'checkpoint' | 'settle';
      readonly path: string;
      readonly waitMs: number;
      readonly table?: string | undefined;
    };

export interface FileLook {
  readonly pageSize: number;
  readonly pages: number;
  readonly freePages: number;
  readonly journal: string;
  readonly autoVacuum: 'none' | 'full' | 'incremental';
  /** Empty where they were not to be read. `analyzedRows`: how many it had then; null: never. */
  readonly tables: readonly {
    readonly name: string;
    readonly bytes: number;
    readonly rows: number;
    readonly analyzedRows: number | null;
  }[];
  readonly indexes: readonly {
    readonly table: string;
    readonly name: string;
    readonly bytes: number;
    readonly unique: boolean;
    readonly constraint: boolean;
    /** Empty where it is made of expressions. */
    readonly columns: readonly string[];
    readonly partial: boolean;
  }[];
  /** Tables and indexes of which a part was read and the rest reckoned, so that nobody waited. */
  readonly reckoned: readonly string[];
}

/** What it says, one in a line. */
export type FitnessSaid =
  | { readonly said: 'look'; readonly look: FileLook }
  | { readonly said: 'step'; readonly bytes: number }
  /** Not all was done, for a reader or a writer was in the way; what was done stays. */
  | { readonly said: 'partly'; readonly why: string };
