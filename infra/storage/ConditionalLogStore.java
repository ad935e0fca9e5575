package gristmill;

import io.delta.storage.HadoopFileSystemLogStore;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileAlreadyExistsException;
import java.util.Arrays;
import java.util.Iterator;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.fs.s3a.S3AFileSystem;
import org.apache.hadoop.fs.s3a.impl.PutObjectOptions;
import software.amazon.awssdk.core.exception.SdkException;
import software.amazon.awssdk.core.sync.RequestBody;
import software.amazon.awssdk.services.s3.S3Client;
import software.amazon.awssdk.services.s3.model.PutObjectRequest;
import software.amazon.awssdk.services.s3.model.S3Exception;

/**
 * Delta's log on S3, safe between processes and machines.
 *
 * <p>Delta's default store for S3 is safe within one Java machine only: it looks whether a version
 * exists and then puts it, which replaces what another process has put meanwhile. Here the server
 * decides: a version is put with <code>If-None-Match: *</code>, which S3 refuses if the key is
 * there. See infra/decisions/0029-object-storage.md.
 */
public final class ConditionalLogStore extends HadoopFileSystemLogStore {
  private static final int EXISTS = 412;
  // two requests for one key at once: S3 wants the later one sent again
  private static final int CONFLICT = 409;
  private static final int TRIES = 5;
  private static final long PAUSE_MS = 50;

  /** Delta makes a log store of Hadoop's settings. */
  public ConditionalLogStore(Configuration hadoopConf) {
    super(hadoopConf);
  }

  /** An object has its name only when it is whole. */
  @Override
  public Boolean isPartialWriteVisible(Path path, Configuration hadoopConf) {
    return false;
  }

  /**
   * Put one file of the log, whole or not at all.
   *
   * @throws FileAlreadyExistsException the file is there, and is not to be overwritten
   */
  @Override
  public void write(
      Path path, Iterator<String> actions, Boolean overwrite, Configuration hadoopConf)
      throws IOException {
    byte[] content = join(actions);
    FileSystem files = path.getFileSystem(hadoopConf);
    if (!(files instanceof S3AFileSystem)) {
      throw new IOException(
          "expected a table at s3a://bucket/path; got " + path + ", which " + files.getClass()
              + " serves. Correct the root");
    }
    put((S3AFileSystem) files, path, content, overwrite);
  }

  private static byte[] join(Iterator<String> actions) {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    while (actions.hasNext()) {
      out.writeBytes(actions.next().getBytes(StandardCharsets.UTF_8));
      out.write('\n');
    }
    return out.toByteArray();
  }

  private static void put(S3AFileSystem files, Path path, byte[] content, boolean overwrite)
      throws IOException {
    S3Client client = files.getS3AInternals().getAmazonS3Client("Delta's log");
    // S3A's own settings of encryption and storage class hold for the log too
    PutObjectRequest.Builder request =
        files
            .getRequestFactory()
            .newPutObjectRequestBuilder(
                files.pathToKey(path), PutObjectOptions.keepingDirs(), content.length, false);
    if (!overwrite) {
      request.ifNoneMatch("*");
    }
    for (int left = TRIES; ; left--) {
      try {
        client.putObject(request.build(), RequestBody.fromBytes(content));
        return;
      } catch (S3Exception error) {
        if (error.statusCode() == EXISTS && !overwrite) {
          // the answer to a request that was sent twice says so of our own object
          if (isOurs(client, files.getBucket(), files.pathToKey(path), content)) {
            return;
          }
          throw new FileAlreadyExistsException(path.toString());
        }
        if (error.statusCode() != CONFLICT || left == 1) {
          throw new IOException("can't write " + path + ": " + error.getMessage(), error);
        }
        pause();
      } catch (SdkException error) {
        throw new IOException("can't write " + path + ": " + error.getMessage(), error);
      }
    }
  }

  /** Each commit of Delta's holds an identifier of its own, so no two are alike. */
  private static boolean isOurs(S3Client client, String bucket, String key, byte[] content)
      throws IOException {
    try {
      byte[] found =
          client.getObjectAsBytes(get -> get.bucket(bucket).key(key)).asByteArrayUnsafe();
      return Arrays.equals(found, content);
    } catch (SdkException error) {
      throw new IOException("can't read " + key + " back: " + error.getMessage(), error);
    }
  }

  private static void pause() throws IOException {
    try {
      Thread.sleep(PAUSE_MS);
    } catch (InterruptedException error) {
      Thread.currentThread().interrupt();
      throw new IOException("interrupted while a commit was put", error);
    }
  }
}
