import { Column, Entity, ManyToOne, OneToMany, PrimaryColumn, type Relation } from 'typeorm';

@Entity()
export class Author {
  @PrimaryColumn('int')
  id!: number;

  @Column('text')
  firstName!: string;

  @Column('text')
  lastName!: string;

  @Column('datetime')
  born!: Date;

  @OneToMany(() => Book, (book) => book.author, { cascade: true })
  books!: Relation<Book>[];

  get name(): string {
    return `${this.firstName} ${this.lastName}`;
  }

  ageIn(year: number): number {
    return year - this.born.getUTCFullYear();
  }
}

@Entity()
export class Book {
  @PrimaryColumn('text')
  isbn!: string;

  @Column('text')
  title!: string;

  @ManyToOne(() => Author, (author) => author.books)
  author?: Relation<Author>;

  cite(): string {
    return `"${this.title}" (${this.isbn})`;
  }
}
