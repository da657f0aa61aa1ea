import {
  createDecorators,
  currentLease,
  Invalidates,
  Locked,
  type AsyncMethodDecorator,
  type Caching,
  type LockedOptions,
} from '../../src/index.js';

/** Fails to compile unless the two are one type. */
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : never;
declare function same<A, B>(proof: Same<A, B>): void;
declare const caching: Caching;

interface Invoice {
  readonly id: string;
  readonly account: { readonly no: number };
}

export class Keys {
  readonly prefix = 'p';

  @Locked({ key: 'invoice:{0.id}', lease: '30s', wait: '2s' })
  async settle(_invoice: Invoice): Promise<void> {
    const { signal, fencingToken, keys } = currentLease();
    same<
      [typeof signal, typeof fencingToken, typeof keys],
      [AbortSignal, bigint | undefined, readonly string[]]
    >(true);
  }
  @Locked({ key: (invoice) => ['account', invoice.account.no] })
  async parts(_invoice: Invoice): Promise<void> {}
  @Locked({
    key(invoice) {
      same<[typeof this, typeof invoice], [Keys, Invoice]>(true);
      return this.prefix + invoice.id;
    },
  })
  async withThis(_invoice: Invoice): Promise<void> {}
  @Locked({ keys: 'invoice:{0.id}' })
  async oneOfSeveral(_invoice: Invoice): Promise<void> {}
  @Locked({ keys: ['account:{0}', 'account:{1}', 'transfers'] })
  async templates(_from: number, _to: number): Promise<void> {}
  @Locked({
    keys(from, to) {
      same<[typeof this, typeof from, typeof to], [Keys, Invoice, Invoice | undefined]>(true);
      return [[this.prefix, from.id], 'transfers', ['account', to?.account.no]];
    },
  })
  async ofTheCall(_from: Invoice, _to?: Invoice): Promise<void> {}
  @Locked({ keys: (...ids) => ids.map((id) => `account:${id.toFixed()}`) })
  async rest(...ids: number[]): Promise<number> {
    return ids.length;
  }
  @Locked()
  async bare(id: string): Promise<string> {
    return id;
  }
  @Locked({})
  async empty(): Promise<void> {}
  @Locked({ key: undefined, keys: undefined })
  async undefinedIsNothing(): Promise<void> {}
}

export class Options {
  readonly prefix = 'p';

  @Locked({
    key: 'invoice:{0.id}',
    lease: 30_000,
    wait: 0,
    renew: '1h',
    mode: 'shared',
    fair: true,
    reentrant: true,
    onUnavailable: 'run',
    name: 'billing.settle',
    cache: caching,
  })
  async all(_invoice: Invoice): Promise<void> {}
  @Locked({
    keys: ['invoice:{0.id}'],
    permits: 3,
    signal(invoice, signal) {
      same<[typeof this, typeof invoice, typeof signal], [Options, Invoice, AbortSignal | undefined]>(true);
      return signal;
    },
    when(invoice) {
      same<[typeof this, typeof invoice], [Options, Invoice]>(true);
      return invoice.id !== this.prefix;
    },
    cache: (self) => {
      same<typeof self, Options>(true);
      return caching;
    },
  })
  async callbacks(_invoice: Invoice, _signal?: AbortSignal): Promise<void> {}
}

export class Forms<Row extends { readonly id: string }> {
  @Locked({ key: (row) => ['row', row.id] })
  async ofGenericClass(row: Row): Promise<Row> {
    return row;
  }
  @Locked({ key: 'id:{0}' })
  async ofGenericMethod<Id extends string>(id: Id): Promise<Id> {
    return id;
  }
  @Locked({
    key(id) {
      return this.name + id;
    },
  })
  static async ofClass(id: string): Promise<string> {
    return id;
  }
  @Locked()
  protected async forSubclasses(): Promise<void> {}
  @Locked({ key: 'user:{0}' })
  @Invalidates({ keys: 'user:{0}', tags: (saved) => [saved.name] })
  async stacked(id: string): Promise<{ name: string }> {
    return { name: id };
  }
}

const bound = createDecorators(caching);

export class Bound {
  readonly prefix = 'p';
  @bound.Locked()
  async bare(): Promise<void> {}
  @bound.Locked({
    keys(from) {
      return [this.prefix, from.id];
    },
  })
  async transfer(_from: Invoice): Promise<void> {}
}

/** Decorators and their options may be made ahead. */
const settling: AsyncMethodDecorator<object, [invoice: Invoice], void> = Locked({ key: 'invoice:{0.id}' });
const options: LockedOptions<object, [invoice: Invoice], 'invoice:{0.id}'> = {
  key: 'invoice:{0.id}',
  lease: '1m',
};

export class MadeAhead {
  @settling
  async settle(_invoice: Invoice): Promise<void> {}
  @Locked(options)
  async cancel(_invoice: Invoice): Promise<void> {}
}
