/**
 * Which keys lie in which folder: `acme:variable:secret/app/db` is the key `db` of the folder `acme:variable:secret/app`, which is a folder of
 * `acme:variable:secret`. Kept with the facts, so that listing a folder costs what lies in it and not a walk over everything.
 */

import type { ResourceId } from "../model/ids";
import type { GroupedDraft } from "./grouped";

/** One thing in a folder. A key and a folder of the same name are two. */
export interface FolderEntry {
  readonly name: string;
  readonly isFolder: boolean;
}

export const folderEntryKey = ({ name, isFolder }: FolderEntry): string => `${isFolder ? "/" : "."}${name}`;

/** Enters a key, and the folders above it that were empty. */
export function addToFolders(folders: GroupedDraft<FolderEntry>, id: ResourceId): void {
  for (let at = placeOf(id), isFolder = false; ; isFolder = true) {
    const entry = { name: at.name, isFolder };
    if (folders.find(at.folder, folderEntryKey(entry)) !== undefined) return;
    folders.set(at.folder, entry);
    if (at.folder.endsWith(":")) return;
    at = placeOf(at.folder);
  }
}

/** Takes a key out, and the folders above it that are empty then. */
export function removeFromFolders(folders: GroupedDraft<FolderEntry>, id: ResourceId): void {
  for (let at = placeOf(id), isFolder = false; ; isFolder = true) {
    folders.delete(at.folder, folderEntryKey({ name: at.name, isFolder }));
    if (folders.count(at.folder) > 0 || at.folder.endsWith(":")) return;
    at = placeOf(at.folder);
  }
}

/** The folder of what has no folder is `acme:variable:`. An identifier has no empty segment, so no other ends in a colon and stands for it. */
function placeOf(id: string): { readonly folder: string; readonly name: string } {
  const slash = id.lastIndexOf("/");
  const end = slash < 0 ? id.indexOf(":", id.indexOf(":") + 1) + 1 : slash;
  return { folder: id.slice(0, end), name: id.slice(slash < 0 ? end : end + 1) };
}
