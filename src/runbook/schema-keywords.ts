/** What the value of a keyword of JSON Schema is. */
export type KeywordShape =
  | 'schema'
  | 'schemas'
  | 'schemasByName'
  | 'schemasByPattern'
  | 'type'
  | 'values'
  | 'names'
  | 'namesByName'
  | 'count'
  | 'number'
  | 'divisor'
  | 'text'
  | 'flag'
  | 'pattern'
  | 'format'
  | 'reference'
  | 'any';

/** The keywords of JSON Schema (draft 2020-12) that an input's schema may use. */
export const KEYWORDS: Readonly<Record<string, KeywordShape>> = {
  type: 'type',
  enum: 'values',
  const: 'any',
  description: 'text',
  default: 'any',
  title: 'text',
  examples: 'values',
  $comment: 'text',
  deprecated: 'flag',
  readOnly: 'flag',
  writeOnly: 'flag',
  minimum: 'number',
  maximum: 'number',
  exclusiveMinimum: 'number',
  exclusiveMaximum: 'number',
  multipleOf: 'divisor',
  minLength: 'count',
  maxLength: 'count',
  pattern: 'pattern',
  format: 'format',
  items: 'schema',
  prefixItems: 'schemas',
  minItems: 'count',
  maxItems: 'count',
  uniqueItems: 'flag',
  contains: 'schema',
  minContains: 'count',
  maxContains: 'count',
  unevaluatedItems: 'schema',
  properties: 'schemasByName',
  required: 'names',
  additionalProperties: 'schema',
  patternProperties: 'schemasByPattern',
  propertyNames: 'schema',
  minProperties: 'count',
  maxProperties: 'count',
  dependentRequired: 'namesByName',
  dependentSchemas: 'schemasByName',
  unevaluatedProperties: 'schema',
  allOf: 'schemas',
  anyOf: 'schemas',
  oneOf: 'schemas',
  not: 'schema',
  if: 'schema',
  // oxlint-disable-next-line unicorn/no-thenable -- the name of a keyword, never awaited
  then: 'schema',
  else: 'schema',
  $defs: 'schemasByName',
  $ref: 'reference',
};

/** Keywords of JSON Schema, past or present, that an input's schema may not use, and why. */
export const OTHER_KEYWORDS: Readonly<Record<string, string>> = {
  $id: 'is not used here: the schema of an input stands alone',
  $schema: 'is not used here: it is always draft 2020-12',
  $anchor: 'is not used here: refer to #/$defs/name',
  $dynamicAnchor: 'is not used here: refer to #/$defs/name',
  $dynamicRef: 'is not used here: write $ref: "#/$defs/name"',
  $recursiveRef: 'is not used here: write $ref: "#/$defs/name"',
  $vocabulary: 'is not used here: it is always draft 2020-12',
  definitions: 'is called $defs since draft 2019-09',
  dependencies: 'is called dependentRequired or dependentSchemas since draft 2019-09',
  additionalItems: 'is called items since draft 2020-12, next to prefixItems',
  contentEncoding: 'is not used here: it is not validated',
  contentMediaType: 'is not used here: it is not validated',
  contentSchema: 'is not used here: it is not validated',
  nullable: 'is not a keyword of JSON Schema: write type: [string, "null"]',
  optional: 'is not a keyword of JSON Schema: a default makes an input optional',
};

/** The types of JSON values, as JSON Schema names them. */
export const TYPES = ['string', 'number', 'integer', 'boolean', 'array', 'object', 'null'];

/** Pairs of keywords of which the first must not exceed the second. */
export const LIMITS: readonly (readonly [least: string, most: string])[] = [
  ['minimum', 'maximum'],
  ['minLength', 'maxLength'],
  ['minItems', 'maxItems'],
  ['minProperties', 'maxProperties'],
  ['minContains', 'maxContains'],
];
