package declaration

import (
	"path"
	"slices"
	"strings"

	"github.com/socbatch/socbatch/internal/problem"
	"github.com/socbatch/socbatch/internal/xmlstream"
)

// schema looks at the schema that the root element names, in either attribute.
func (p *inspector) schema(root xmlstream.Token) {
	p.namespace, _ = p.d.Lookup(root.Prefix)
	plain, hasPlain := p.attribute(root, "noNamespaceSchemaLocation")
	pairs, hasPairs := p.attribute(root, "schemaLocation")
	if !hasPlain && !hasPairs {
		p.noSchema(root)
		return
	}
	own, ok := p.plainSchema(root, strings.Fields(plain))
	other, ok2 := p.pairedSchema(root, strings.Fields(pairs), own != "")
	switch {
	case !ok || !ok2: // which was said
	case own != "" && other != "" && !sameSchema(own, other):
		p.fault(SeveralVersions, root.Line, "line %d: %s names one schema in xsi:noNamespaceSchemaLocation and another in xsi:schemaLocation: leave one of the two out", root.Line, p.info.Root)
	case own+other == "" && hasPlain:
		p.fault(NoSchema, root.Line, "line %d: xsi:noNamespaceSchemaLocation of %s names no schema: write the file name of the schema, such as %s_20231.xsd", root.Line, p.info.Root, p.info.Root)
	case own+other == "":
		p.fault(NoSchema, root.Line, "line %d: xsi:schemaLocation of %s names no schema: write the namespace of %s, a space, and the file name of its schema", root.Line, p.info.Root, p.info.Root)
	}
	// That of xsi:schemaLocation is the one for elements in a namespace.
	if p.info.Schema = own; other != "" && (own == "" || p.namespace != "") {
		p.info.Schema = other
	}
	p.info.SchemaVersion = version(p.info.Schema)
}

// plainSchema is the schema of xsi:noNamespaceSchemaLocation; empty where there
// is none. Only what looks like an address is kept; it is shown to people. It
// reports false where there are several.
func (p *inspector) plainSchema(root xmlstream.Token, words []string) (schema string, ok bool) {
	if len(words) > 1 {
		p.fault(SeveralVersions, root.Line, "line %d: xsi:noNamespaceSchemaLocation of %s names several schemas: name one", root.Line, p.info.Root)
		return "", false
	}
	if len(words) == 1 && len(words[0]) <= maxValue {
		return words[0], true
	}
	return "", true
}

// pairedSchema is the schema of xsi:schemaLocation, which has pairs of a
// namespace and a file: the one for the root element's namespace, else, where
// the other attribute names none, the only one; empty where there is none. It
// reports false where it cannot be told.
func (p *inspector) pairedSchema(root xmlstream.Token, words []string, named bool) (schema string, ok bool) {
	if len(words)%2 > 0 {
		f := Fault{ID: NoSchema, Warning: named, Line: root.Line, Message: problem.New(
			"line %d: xsi:schemaLocation of %s needs two words for each schema, the namespace and the file name, and has %d (a schema without a namespace is named in xsi:noNamespaceSchemaLocation)", root.Line, p.info.Root, len(words))}
		p.info.Faults = append(p.info.Faults, f)
		return "", false
	}
	mine, others := p.schemasOf(p.namespace, words)
	fits := len(mine) > 0
	if !fits && !named {
		mine = others
	}
	switch {
	case len(mine) == 0 || len(mine[0]) > maxValue:
		return "", true
	case len(mine) > 1 && fits:
		p.fault(SeveralVersions, root.Line, "line %d: xsi:schemaLocation names several schemas for the namespace of %s: name one", root.Line, p.info.Root)
		return "", false
	case len(mine) > 1:
		p.fault(NoSchema, root.Line, "line %d: none of the schemas in xsi:schemaLocation is for the namespace of %s: name the one that is", root.Line, p.info.Root)
		return "", false
	case !fits:
		p.info.Faults = append(p.info.Faults, Fault{ID: OtherNamespace, Warning: true, Line: root.Line, Message: problem.New(
			"line %d: %s is not in the namespace for which xsi:schemaLocation names a schema: write the same one in xmlns and there", root.Line, p.info.Root)})
	}
	return mine[0], true
}

// schemasOf takes the pairs of xsi:schemaLocation apart: the schemas for a
// namespace, and those for others, each once.
func (p *inspector) schemasOf(namespace string, words []string) (mine, others []string) {
	for i := 0; i+1 < len(words); i += 2 {
		to := &others
		if words[i] == namespace {
			to = &mine
		}
		if !slices.ContainsFunc(*to, func(s string) bool { return sameSchema(s, words[i+1]) }) {
			*to = append(*to, words[i+1])
		}
	}
	return mine, others
}

// noSchema says what to do where neither attribute is there.
func (p *inspector) noSchema(root xmlstream.Token) {
	for _, a := range root.Attr {
		switch a.Name.Local {
		case "noNamespaceSchemaLocation":
			p.fault(NoSchema, root.Line, "line %d: noNamespaceSchemaLocation of %s is not in the XMLSchema-instance namespace: add xmlns:xsi=%q to %s and write xsi:noNamespaceSchemaLocation", root.Line, p.info.Root, xsiNamespace, p.info.Root)
			return
		case "schemaLocation":
			p.fault(NoSchema, root.Line, "line %d: schemaLocation of %s is not in the XMLSchema-instance namespace: add xmlns:xsi=%q to %s and write xsi:schemaLocation", root.Line, p.info.Root, xsiNamespace, p.info.Root)
			return
		}
	}
	if p.namespace != "" {
		p.fault(NoSchema, root.Line, "line %d: %s names no schema: add xsi:schemaLocation with its namespace, a space, and the file name of the schema", root.Line, p.info.Root)
		return
	}
	p.fault(NoSchema, root.Line, "line %d: %s names no schema: add xsi:noNamespaceSchemaLocation with the file name of the schema, such as %s_20231.xsd", root.Line, p.info.Root, p.info.Root)
}

// version returns the digits at the end of a schema's name.
func version(schema string) string {
	base := strings.TrimSuffix(fileName(schema), ".xsd")
	return base[len(strings.TrimRight(base, "0123456789")):]
}

// sameSchema reports whether two names are of one schema: the same file, or the
// same version.
func sameSchema(a, b string) bool {
	return fileName(a) == fileName(b) || version(a) != "" && version(a) == version(b)
}

func fileName(schema string) string { return path.Base(strings.ReplaceAll(schema, `\`, "/")) }

// oneSchema looks whether an element below the root names another schema for the
// namespace of the root. A document inside a form may have its own.
func (p *inspector) oneSchema(t xmlstream.Token) {
	if p.info.Schema == "" {
		return
	}
	var named []string
	if v, ok := p.attribute(t, "noNamespaceSchemaLocation"); ok && p.namespace == "" {
		named = append(named, strings.TrimSpace(v))
	}
	if v, ok := p.attribute(t, "schemaLocation"); ok && p.namespace != "" {
		named, _ = p.schemasOf(p.namespace, strings.Fields(v))
	}
	for _, v := range named {
		if !sameSchema(v, p.info.Schema) {
			p.fault(SeveralVersions, t.Line, "line %d: %s names another schema than %s: use one version in a file, and name it on %s only", t.Line, xmlstream.SafeName(t.Name), p.info.Root, p.info.Root)
			return
		}
	}
}
