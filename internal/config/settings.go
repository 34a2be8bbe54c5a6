package config

import (
	"encoding"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/socbatch/socbatch/internal/near"
	"github.com/socbatch/socbatch/internal/problem"
)

// Setting is one that the file may have.
type Setting struct {
	Key     string // with its table, such as endpoint.host
	Default string // as the file has it; empty: none, or that of the machine
}

// Settings lists the settings, in the order of the documentation.
func Settings() []Setting {
	c := Defaults(func(string) string { return "" })
	c.StateDir = ""
	var list []Setting
	settings(reflect.ValueOf(c), "", func(key string, v reflect.Value) {
		list = append(list, Setting{key, inFile(v)})
	})
	return list
}

var marshaler = reflect.TypeFor[encoding.TextMarshaler]()

// settings walks over the settings and the tables of the file.
func settings(of reflect.Value, table string, f func(key string, v reflect.Value)) {
	for field, v := range of.Fields() {
		key := field.Tag.Get("toml")
		t := field.Type
		if t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Struct { // a list of tables
			t, v = t.Elem(), reflect.New(t.Elem()).Elem()
		}
		switch {
		case key == "-":
		case t.Kind() == reflect.Struct && !t.Implements(marshaler): // such as a date is one value
			settings(v, table+key+".", f)
		default:
			f(table+key, v)
		}
	}
}

// inFile is a value as the file has it; empty for nothing.
func inFile(v reflect.Value) string {
	if d, ok := v.Interface().(Duration); ok {
		text := time.Duration(d).String()
		text = strings.Replace(text, "m0s", "m", 1)
		return strconv.Quote(strings.Replace(text, "h0m", "h", 1))
	}
	switch v.Kind() {
	case reflect.Slice, reflect.Pointer:
		return ""
	case reflect.String:
		if v.Len() == 0 {
			return ""
		}
		return strconv.Quote(v.String())
	}
	return fmt.Sprint(v.Interface())
}

func noSuchSetting(key string) error {
	if m, ok := meant(key); ok {
		return problem.New("there is no such setting: did you mean %s?", m)
	}
	return problem.New("there is no such setting")
}

// meant finds the setting or table that an unknown key may stand for: one that is
// spelled nearly so, or the only one of this name in another table.
func meant(key string) (string, bool) {
	var all, same []string
	for _, s := range Settings() {
		all = append(all, s.Key)
		for table := parent(s.Key); table != "" && !slices.Contains(all, table); table = parent(table) {
			all = append(all, table)
		}
		if last(s.Key) == last(key) {
			same = append(same, s.Key)
		}
	}
	if found, ok := near.Of(key, all); ok {
		return found, true
	}
	// Of p12 in [identity] and in [identity.next] the first is meant.
	depth := func(key string) int { return strings.Count(key, ".") }
	slices.SortStableFunc(same, func(a, b string) int { return depth(a) - depth(b) })
	if len(same) == 1 || len(same) > 1 && depth(same[0]) < depth(same[1]) {
		return same[0], true
	}
	return "", false
}

// parent is the table that a key is in; empty for none.
func parent(key string) string { return key[:max(0, strings.LastIndex(key, "."))] }

func last(key string) string { return key[strings.LastIndex(key, ".")+1:] }
