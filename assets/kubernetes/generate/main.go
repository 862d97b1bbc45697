// Writes what the console knows of Kubernetes: the names of the fields of what an API server stores ("schema"), and
// objects with what kubectl shows of them, for the tests ("samples"). ../README.md says how to run it.
package main

import (
	"bufio"
	"fmt"
	"os"
	"reflect"
	"runtime/debug"
	"sort"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/kubernetes/scheme"
)

// What has a form of its own in JSON.
var special = map[reflect.Type]string{
	reflect.TypeOf(metav1.Time{}):          "time",
	reflect.TypeOf(metav1.MicroTime{}):     "microtime",
	reflect.TypeOf(metav1.FieldsV1{}):      "json",
	reflect.TypeOf(runtime.RawExtension{}): "json",
	reflect.TypeOf(resource.Quantity{}):    "quantity",
	reflect.TypeOf(intstr.IntOrString{}):   "intorstring",
}

// Types that are written as a message around a list of strings: metav1.Verbs, certificates' ExtraValue.
type message interface{ Marshal() ([]byte, error) }

var types = map[string]reflect.Type{}

func main() {
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	if len(os.Args) == 2 && os.Args[1] == "schema" {
		writeSchema(out)
	} else if len(os.Args) == 2 && os.Args[1] == "samples" {
		writeSamples(out)
	} else {
		panic("schema or samples?")
	}
}

func writeSchema(out *bufio.Writer) {
	var kinds []string
	for kind, of := range scheme.Scheme.AllKnownTypes() {
		if _, stored := of.FieldByName("ObjectMeta"); !stored || !strings.HasPrefix(of.PkgPath(), "k8s.io/api/") {
			continue
		}
		kinds = append(kinds, fmt.Sprintf("kind %s %s %s", kind.GroupVersion(), kind.Kind, name(of)))
	}
	sort.Strings(kinds)
	fmt.Fprintf(out, "# Fields of what Kubernetes stores as protobuf: k8s.io/api %s, Apache License 2.0 (LICENSE).\n", version())
	fmt.Fprint(out, "# Made by generate/main.go; README.md says how, and what a line means.\n")
	for _, kind := range kinds {
		fmt.Fprintln(out, kind)
	}
	written := map[string]bool{}
	for len(written) < len(types) {
		var names []string
		for name := range types {
			if !written[name] {
				names = append(names, name)
			}
		}
		sort.Strings(names)
		written[names[0]] = true
		writeType(out, names[0], types[names[0]])
	}
}

func version() string {
	info, _ := debug.ReadBuildInfo()
	for _, module := range info.Deps {
		if module.Path == "k8s.io/api" {
			return module.Version
		}
	}
	panic("which k8s.io/api?")
}

func writeType(out *bufio.Writer, name string, of reflect.Type) {
	fmt.Fprintf(out, "type %s\n", name)
	var lines []string
	for i := 0; i < of.NumField(); i++ {
		field := of.Field(i)
		if field.Type == reflect.TypeOf(metav1.TypeMeta{}) || field.Tag.Get("json") == "-" {
			continue
		}
		json := strings.Split(field.Tag.Get("json"), ",")
		number := strings.Split(field.Tag.Get("protobuf"), ",")
		if len(number) < 2 {
			panic(name + "." + field.Name + " has no number")
		}
		line := json[0] + " " + number[1] + " " + expression(field.Type)
		if json[0] == "" {
			if !field.Anonymous {
				panic(name + "." + field.Name + " has no name")
			}
			line = ". " + number[1] + " " + expression(field.Type)
		}
		if !contains(json[1:], "omitempty") && json[0] != "" {
			line += " always"
		}
		if contains(json[1:], "omitzero") {
			line += " omitzero"
		}
		lines = append(lines, line)
	}
	sort.Strings(lines)
	for _, line := range lines {
		fmt.Fprintln(out, "  "+line)
	}
}

func expression(of reflect.Type) string {
	if name, is := special[of]; is {
		return name
	}
	switch of.Kind() {
	case reflect.String:
		return "string"
	case reflect.Bool:
		return "bool"
	case reflect.Int32, reflect.Int64:
		return "int"
	case reflect.Pointer:
		return "*" + expression(of.Elem())
	case reflect.Slice:
		if of.Elem().Kind() == reflect.Uint8 {
			return "bytes"
		}
		if of.Implements(reflect.TypeFor[message]()) {
			if of.Elem().Kind() != reflect.String {
				panic(of.String() + " is no list of strings")
			}
			return "strings"
		}
		return "[]" + expression(of.Elem())
	case reflect.Map:
		if of.Key().Kind() != reflect.String {
			panic(of.String() + " has keys that are no strings")
		}
		return "map[string]" + expression(of.Elem())
	case reflect.Struct:
		return name(of)
	}
	panic("nothing is known of " + of.String())
}

// The name of a struct, which is written too.
func name(of reflect.Type) string {
	path := strings.TrimPrefix(of.PkgPath(), "k8s.io/api/")
	path = strings.TrimPrefix(path, "k8s.io/apimachinery/pkg/apis/")
	name := path + "." + of.Name()
	if _, known := types[name]; !known {
		types[name] = of
		for i := 0; i < of.NumField(); i++ {
			if field := of.Field(i); field.Type != reflect.TypeOf(metav1.TypeMeta{}) && field.Tag.Get("json") != "-" {
				expression(field.Type)
			}
		}
	}
	return name
}

func contains(words []string, word string) bool {
	for _, each := range words {
		if each == word {
			return true
		}
	}
	return false
}
