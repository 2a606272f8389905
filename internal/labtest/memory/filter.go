package memory

import (
	"fmt"
	"strconv"
	"strings"
	"text/scanner"

	"migrate/internal/model"
)

// parse reads a filter as migrate writes it: comparisons of a field with a literal, and lists of literals, joined by "and".
func parse(filter string) (matches func(*row) bool, err error) {
	if filter == "" {
		return func(*row) bool { return true }, nil
	}
	p := &parser{}
	p.Init(strings.NewReader(filter))
	p.Error = func(_ *scanner.Scanner, msg string) { err = fmt.Errorf("filter %s: %s", filter, msg) }
	var terms []func(*row) bool
	for {
		term, bad := p.term()
		if bad != nil {
			return nil, fmt.Errorf("filter %s: %w", filter, bad)
		}
		terms = append(terms, term)
		if p.word() != "and" {
			break
		}
	}
	return func(r *row) bool {
		for _, term := range terms {
			if !term(r) {
				return false
			}
		}
		return true
	}, err
}

type parser struct{ scanner.Scanner }

func (p *parser) word() string {
	p.Scan()
	return p.TokenText()
}

func (p *parser) term() (func(*row) bool, error) {
	field, op := p.word(), p.word()
	switch op {
	case "not":
		p.word()
		listed, err := p.list()
		return func(r *row) bool { return !listed[r.value(field)] }, err
	case "in":
		listed, err := p.list()
		return func(r *row) bool { return listed[r.value(field)] }, err
	}
	if p.Peek() == '=' {
		op += p.word()
	}
	literal, err := p.literal(p.word())
	if err != nil {
		return nil, err
	}
	holds := map[string]func(int) bool{
		"<": func(c int) bool { return c < 0 }, "<=": func(c int) bool { return c <= 0 }, "==": func(c int) bool { return c == 0 },
		">": func(c int) bool { return c > 0 }, ">=": func(c int) bool { return c >= 0 },
	}[op]
	if holds == nil {
		return nil, fmt.Errorf("no operator: %q", op)
	}
	return func(r *row) bool { return holds(r.value(field).Compare(literal)) }, nil
}

func (p *parser) list() (map[model.Key]bool, error) {
	listed := map[model.Key]bool{}
	if open := p.word(); open != "[" {
		return nil, fmt.Errorf("%q begins no list", open)
	}
	for {
		k, err := p.literal(p.word())
		if err != nil {
			return nil, err
		}
		listed[k] = true
		if p.word() != "," {
			return listed, nil
		}
	}
}

// literal reads a number or a text, and -2^63 as migrate writes it: (-9223372036854775807 - 1).
func (p *parser) literal(first string) (model.Key, error) {
	switch {
	case first == "(":
		k, err := p.literal(p.word())
		p.word()
		p.word()
		p.word()
		return model.IntKey(k.Int - 1), err
	case first == "-":
		v, err := strconv.ParseInt("-"+p.word(), 10, 64)
		return model.IntKey(v), err
	case strings.HasPrefix(first, `"`):
		v, err := strconv.Unquote(first)
		return model.TextKey(v), err
	}
	v, err := strconv.ParseInt(first, 10, 64)
	return model.IntKey(v), err
}
