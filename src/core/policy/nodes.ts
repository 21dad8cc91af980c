/**
 * A policy text as plain nodes, each with its place: all that the rest of the language knows of YAML.
 */

/** A place in the text. Lines and columns count from 1. */
export interface Position {
  readonly line: number;
  readonly column: number;
}

interface NodeBase extends Position {
  /** As the text spells it: `!policy`. The position is that of the tag, where there is one. */
  readonly tag?: string;
  /** How many nodes this is, itself and all aliases below it written out. */
  readonly size: number;
  /** Nesting, all aliases written out: 1 for a text. */
  readonly depth: number;
}

/** A scalar by its source text: `0123`, `no` and `1.10` are exactly these characters; `~`, `null` and nothing are "". */
export interface TextNode extends NodeBase {
  readonly type: "text";
  readonly text: string;
}

export interface ListNode extends NodeBase {
  readonly type: "list";
  readonly items: readonly Node[];
}

export interface MapNode extends NodeBase {
  readonly type: "map";
  /** In the order of the text; a key may occur twice. The position is that of the key. */
  readonly entries: readonly MapEntry[];
}

export interface MapEntry extends Position {
  readonly key: string;
  readonly value: Node;
}

/** An alias is not a node: where the text has one, the very node of its anchor stands again. */
export type Node = TextNode | ListNode | MapNode;
