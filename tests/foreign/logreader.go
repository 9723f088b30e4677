// Logreader reads logs of ours, and makes logs for us to read, with the public implementation of
// signed notes and transparency logs, golang.org/x/mod/sumdb: nothing in here is ours but the
// three file formats of C2SP that it does not know (checkpoint, tlog-proof, tile paths).
//
//	logreader proof VKEY FILE                 checks a .tlog-proof
//	logreader consistency VKEY OLD NEW FILE   checks a consistency proof between two checkpoints
//	logreader tiles VKEY URL                  reads a whole log over HTTP and proves every entry
//	logreader make NAME FOLDER SIZE...        makes a log with a key of its own, signed at each size
package main

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func fail(format string, values ...interface{}) {
	check(fmt.Errorf(format, values...))
}

func read(path string) []byte {
	data, err := os.ReadFile(path)
	check(err)
	return data
}

// open returns the tree that a checkpoint is about, if the key signed it.
func open(vkey string, data []byte) tlog.Tree {
	verifier, err := note.NewVerifier(vkey)
	check(err)
	opened, err := note.Open(data, note.VerifierList(verifier))
	check(err)
	lines := strings.Split(opened.Text, "\n")
	if len(lines) < 4 || lines[0] != verifier.Name() {
		fail("not a checkpoint of %s", verifier.Name())
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	check(err)
	hash, err := tlog.ParseHash(lines[2])
	check(err)
	return tlog.Tree{N: size, Hash: hash}
}

func hashes(lines []string) []tlog.Hash {
	var found []tlog.Hash
	for _, line := range lines {
		hash, err := tlog.ParseHash(line)
		check(err)
		found = append(found, hash)
	}
	return found
}

func checkProof(vkey, path string) {
	head, checkpoint, _ := bytes.Cut(read(path), []byte("\n\n"))
	lines := strings.Split(string(head), "\n")
	if len(lines) < 3 || lines[0] != "c2sp.org/tlog-proof@v1" {
		fail("not a proof")
	}
	entry, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(lines[1], "extra "))
	check(err)
	index, err := strconv.ParseInt(strings.TrimPrefix(lines[2], "index "), 10, 64)
	check(err)
	tree := open(vkey, checkpoint)
	check(tlog.CheckRecord(hashes(lines[3:]), tree.N, tree.Hash, index, tlog.RecordHash(entry)))
	fmt.Printf("entry %d of %d: %s\n", index, tree.N, entry)
}

func checkConsistency(vkey, oldPath, newPath, path string) {
	head, _, _ := bytes.Cut(read(path), []byte("\n\n"))
	lines := strings.Split(string(head), "\n")
	older, newer := open(vkey, read(oldPath)), open(vkey, read(newPath))
	if lines[0] != fmt.Sprintf("old %d", older.N) {
		fail("not from size %d", older.N)
	}
	check(tlog.CheckTree(hashes(lines[1:]), newer.N, newer.Hash, older.N, older.Hash))
	fmt.Printf("%d continues %d\n", newer.N, older.N)
}

// site serves tiles by the paths of C2SP tlog-tiles.
type site struct{ url string }

func (s site) get(path string) []byte {
	answer, err := http.Get(s.url + path)
	check(err)
	defer answer.Body.Close()
	if answer.StatusCode != 200 {
		fail("%s: %s", path, answer.Status)
	}
	data, err := io.ReadAll(answer.Body)
	check(err)
	return data
}

func (s site) Height() int { return 8 }

func (s site) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	var found [][]byte
	for _, tile := range tiles {
		// sumdb writes the height into the path, C2SP does not.
		found = append(found, s.get(strings.Replace(tile.Path(), "tile/8/", "tile/", 1)))
	}
	return found, nil
}

func (s site) SaveTiles([]tlog.Tile, [][]byte) {}

// readTiles proves every entry of a log to be in the tree that was signed.
func readTiles(vkey, url string) {
	from := site{url}
	tree := open(vkey, from.get("checkpoint"))
	reader := tlog.TileHashReader(tree, from)
	for first := int64(0); first < tree.N; first += 256 {
		width := 256
		if tree.N-first < 256 {
			width = int(tree.N - first)
		}
		bundle := tlog.Tile{H: 8, L: 0, N: first / 256, W: width}
		data := from.get(strings.Replace(bundle.Path(), "tile/8/0/", "tile/entries/", 1))
		for index := first; index < first+int64(width); index++ {
			size := binary.BigEndian.Uint16(data)
			entry := data[2 : 2+size]
			data = data[2+size:]
			proof, err := tlog.ProveRecord(tree.N, index, reader)
			check(err)
			check(tlog.CheckRecord(proof, tree.N, tree.Hash, index, tlog.RecordHash(entry)))
		}
		if len(data) > 0 {
			fail("something is left behind entry %d", first+int64(width))
		}
	}
	fmt.Printf("all %d entries proved\n", tree.N)
}

func write(folder, name string, parts ...string) {
	data := []byte(strings.Join(parts, ""))
	check(os.WriteFile(filepath.Join(folder, name), data, 0o600))
}

func encode(proof []tlog.Hash) string {
	var lines strings.Builder
	for _, hash := range proof {
		lines.WriteString(hash.String() + "\n")
	}
	return lines.String()
}

// makeLog writes a key, entries, checkpoints and proofs, all made by the public implementation.
func makeLog(name, folder string, sizes []string) {
	skey, vkey, err := note.GenerateKey(rand.Reader, name)
	check(err)
	signer, err := note.NewSigner(skey)
	check(err)
	var stored []tlog.Hash
	reader := tlog.HashReaderFunc(func(places []int64) ([]tlog.Hash, error) {
		var found []tlog.Hash
		for _, place := range places {
			found = append(found, stored[place])
		}
		return found, nil
	})
	var entries []string
	var older, last int64
	var newest string
	for _, text := range sizes {
		size, err := strconv.ParseInt(text, 10, 64)
		check(err)
		for index := last; index < size; index++ {
			entry := fmt.Sprintf("{\"entry\":%d}", index)
			added, err := tlog.StoredHashes(index, []byte(entry), reader)
			check(err)
			stored = append(stored, added...)
			entries = append(entries, entry)
		}
		root, err := tlog.TreeHash(size, reader)
		check(err)
		body := fmt.Sprintf("%s\n%d\n%s\n", name, size, root)
		signed, err := note.Sign(&note.Note{Text: body}, signer)
		check(err)
		older, last, newest = last, size, string(signed)
		write(folder, "checkpoint-"+text, newest)
	}
	for index, entry := range entries {
		proof, err := tlog.ProveRecord(last, int64(index), reader)
		check(err)
		extra := base64.StdEncoding.EncodeToString([]byte(entry))
		head := fmt.Sprintf("c2sp.org/tlog-proof@v1\nextra %s\nindex %d\n", extra, index)
		write(folder, fmt.Sprintf("%d.tlog-proof", index), head, encode(proof), "\n", newest)
	}
	proof, err := tlog.ProveTree(last, older, reader)
	check(err)
	write(folder, "consistency", fmt.Sprintf("old %d\n", older), encode(proof), "\n", newest)
	write(folder, "export.jsonl", strings.Join(entries, "\n"), "\n")
	write(folder, "vkey", vkey)
}

func main() {
	given := append(os.Args[1:], make([]string, 5)...)
	switch given[0] {
	case "proof":
		checkProof(given[1], given[2])
	case "consistency":
		checkConsistency(given[1], given[2], given[3], given[4])
	case "tiles":
		readTiles(given[1], given[2])
	case "make":
		makeLog(given[1], given[2], os.Args[4:])
	default:
		fail("proof, consistency, tiles or make?")
	}
}
