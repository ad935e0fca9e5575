package gristmill;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.delta.storage.HadoopFileSystemLogStore;
import java.io.BufferedInputStream;
import java.io.BufferedOutputStream;
import java.io.BufferedWriter;
import java.io.DataOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.net.URI;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.FileAttribute;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Iterator;
import java.util.LinkedHashSet;
import java.util.Set;
import java.util.UUID;
import java.util.zip.CRC32;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.permission.FsPermission;

/**
 * Delta's log on a local disk, safe between processes and durable when it says so.
 *
 * <p>Delta's default store looks whether a version exists and then renames its file there: two
 * processes can both look, and the second rename replaces a commit that was acknowledged. Here a
 * version takes its name by link(2), which POSIX makes fail if the name is taken. Before that, the
 * data files that the version adds and its own file are synced; after it, the folder. See
 * infra/decisions/0017-log-store.md.
 */
public final class LinkLogStore extends HadoopFileSystemLogStore {
  private static final String FIRST_VERSION = "00000000000000000000.json";
  private static final int BYTES_PER_SUM = 512;
  private static final ObjectMapper JSON = new ObjectMapper();

  /** Delta makes a log store of Hadoop's settings. */
  public LinkLogStore(Configuration hadoopConf) {
    super(hadoopConf);
  }

  /** A version has its name only when it is whole. */
  @Override
  public Boolean isPartialWriteVisible(org.apache.hadoop.fs.Path path, Configuration hadoopConf) {
    return false;
  }

  /**
   * Write one file of the log, whole and durable or not at all.
   *
   * @throws FileAlreadyExistsException the file is there, and is not to be overwritten
   */
  @Override
  public void write(
      org.apache.hadoop.fs.Path path,
      Iterator<String> actions,
      Boolean overwrite,
      Configuration hadoopConf)
      throws IOException {
    // refuses what is not on a local disk
    Path target = FileSystem.getLocal(hadoopConf).pathToFile(path).toPath();
    if (!overwrite && Files.exists(target)) {
      throw new FileAlreadyExistsException(target.toString());
    }
    // hidden, and sorted before all versions: no listing of Delta's shows it
    Path scratch = sibling(target, "." + UUID.randomUUID() + ".tmp");
    Path scratchSums = sibling(target, "." + UUID.randomUUID() + ".crc.tmp");
    FileAttribute<?> mode = mode(hadoopConf);
    try {
      Files.createFile(scratch, mode);
      syncData(writeLines(scratch, actions), target);
      sync(scratch);
      if (overwrite) {
        replace(scratch, target);
      } else {
        Files.createFile(scratchSums, mode);
        writeSums(scratch, scratchSums);
        sync(scratchSums);
        link(scratch, target);
        nameSums(scratchSums, target);
      }
      syncFolders(target);
    } finally {
      Files.deleteIfExists(scratch);
      Files.deleteIfExists(scratchSums);
    }
  }

  private static Path sibling(Path target, String suffix) {
    return target.resolveSibling("." + target.getFileName() + suffix);
  }

  /** Hadoop's own umask (fs.permissions.umask-mode) counts beside the process's. */
  private static FileAttribute<?> mode(Configuration hadoopConf) {
    FsPermission mode = FsPermission.getFileDefault().applyUMask(FsPermission.getUMask(hadoopConf));
    return PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString(mode.toString()));
  }

  /** Give the paths of the data files that the lines add, as they stand there. */
  private static Set<String> writeLines(Path scratch, Iterator<String> actions)
      throws IOException {
    Set<String> added = new LinkedHashSet<>();
    try (BufferedWriter out =
        Files.newBufferedWriter(scratch, StandardCharsets.UTF_8, StandardOpenOption.WRITE)) {
      while (actions.hasNext()) {
        String line = actions.next();
        out.write(line);
        out.write('\n');
        for (String kind : new String[] {"add", "cdc"}) {
          if (line.startsWith("{\"" + kind + "\":")) {
            JsonNode file = JSON.readTree(line).path(kind).path("path");
            added.add(file.asText());
          }
        }
      }
    }
    return added;
  }

  /** Spark leaves its files to the page cache: a commit may only name what is on the disk. */
  private static void syncData(Set<String> added, Path target) throws IOException {
    Path table = target.getParent().getParent();
    Set<Path> folders = new LinkedHashSet<>();
    for (String name : added) {
      URI uri = URI.create(name);
      if (uri.isAbsolute() && !"file".equals(uri.getScheme())) {
        continue; // a clone's file, elsewhere
      }
      Path file = table.resolve(uri.getPath());
      try {
        sync(file);
      } catch (NoSuchFileException error) {
        continue; // for Delta to judge
      }
      Path folder = file.getParent();
      while (folder != null && folder.startsWith(table) && folders.add(folder)) {
        folder = folder.getParent();
      }
    }
    for (Path folder : folders) {
      sync(folder);
    }
  }

  private static void link(Path scratch, Path target) throws IOException {
    try {
      Files.createLink(target, scratch);
    } catch (FileAlreadyExistsException error) {
      // NFS: the answer to a request that was sent twice says so of our own link
      if (!Files.isSameFile(scratch, target)) {
        throw error;
      }
    } catch (UnsupportedOperationException error) {
      throw new IOException(
          "expected a disk with hard links for the Delta log " + target.getParent()
              + "; it makes none. Keep the tables on another disk", error);
    }
  }

  private static void replace(Path scratch, Path target) throws IOException {
    // Hadoop's checksum of what stood there would make the new content unreadable
    Files.deleteIfExists(sibling(target, ".crc"));
    Files.move(
        scratch, target, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
  }

  /** Write Hadoop's checksums of a file (ChecksumFileSystem): its reader finds a flipped bit. */
  private static void writeSums(Path file, Path sums) throws IOException {
    byte[] chunk = new byte[BYTES_PER_SUM];
    CRC32 sum = new CRC32();
    try (InputStream in = new BufferedInputStream(Files.newInputStream(file));
        DataOutputStream out =
            new DataOutputStream(
                new BufferedOutputStream(
                    Files.newOutputStream(sums, StandardOpenOption.WRITE)))) {
      out.writeBytes("crc\0");
      out.writeInt(BYTES_PER_SUM);
      for (int size = in.readNBytes(chunk, 0, BYTES_PER_SUM);
          size > 0;
          size = in.readNBytes(chunk, 0, BYTES_PER_SUM)) {
        sum.reset();
        sum.update(chunk, 0, size);
        out.writeInt((int) sum.getValue());
      }
    }
  }

  /** Only who has linked a version names its checksums; without them it is readable too. */
  private static void nameSums(Path scratchSums, Path target) {
    try {
      Files.move(scratchSums, sibling(target, ".crc"), StandardCopyOption.ATOMIC_MOVE);
    } catch (IOException error) {
      // the version is committed: not to be reported as failed
    }
  }

  private static void syncFolders(Path target) throws IOException {
    Path folder = target.getParent();
    sync(folder);
    if (!target.endsWith(FIRST_VERSION)) {
      return;
    }
    // the table's folder is new, and those above it may be
    for (folder = folder.getParent(); folder != null; folder = folder.getParent()) {
      try {
        sync(folder);
      } catch (AccessDeniedException error) {
        return; // not ours, so not made by us
      }
    }
  }

  private static void sync(Path path) throws IOException {
    try (FileChannel channel = FileChannel.open(path, StandardOpenOption.READ)) {
      channel.force(true);
    }
  }
}
