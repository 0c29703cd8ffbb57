import { locateUcx } from "../../../../src/native/mod.ts";

const library = await locateUcx();

/** Where UCX lies; empty where it is not there. */
export const libraries: readonly string[] = library === undefined ? [] : [library.path];
