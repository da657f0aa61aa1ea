/** A member's place in a roster. */
export interface Seat<Member> {
  readonly member: Member;
  at: number;
}

/** Who is there, in no order. An array for the reason that `KeyedTable` tells: members come and go with every call. */
export class Roster<Member> {
  readonly #seats: Seat<Member>[] = [];

  enter(member: Member): Seat<Member> {
    const seat = { member, at: this.#seats.length };
    this.#seats.push(seat);
    return seat;
  }

  /** Idempotent. */
  leave(seat: Seat<Member>): void {
    const { at } = seat;
    if (this.#seats[at] !== seat) return;
    const last = this.#seats.pop()!;
    if (last === seat) return;
    last.at = at;
    this.#seats[at] = last;
  }

  get members(): readonly Member[] {
    return this.#seats.map(({ member }) => member);
  }
}
