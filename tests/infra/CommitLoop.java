import io.delta.storage.LogStore;
import java.nio.file.FileAlreadyExistsException;
import java.util.ArrayList;
import java.util.List;
import java.util.Scanner;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.Path;

/**
 * Commits to Delta logs by a log store alone, as Delta does: a version that exists is another's, so
 * the next one is tried. Prints "ready", and for each line STORE NAME COUNT LOG [PATH] that it reads
 * COUNT times "acked VERSION NAME-I MICROSECONDS", then "done"; each commit adds the data file PATH.
 */
public final class CommitLoop {
  public static void main(String[] arguments) throws Exception {
    Configuration conf = new Configuration();
    Scanner input = new Scanner(System.in);
    System.out.println("ready");
    while (input.hasNextLine()) {
      String[] words = input.nextLine().split(" ");
      LogStore store =
          (LogStore) Class.forName(words[0]).getConstructor(Configuration.class).newInstance(conf);
      Path log = new Path(words[3]);
      long version = -1;
      for (int i = 0; i < Integer.parseInt(words[2]); i++) {
        String name = words[1] + "-" + i;
        long begin = System.nanoTime();
        version = commit(store, log, version + 1, lines(name, words), conf);
        long micros = (System.nanoTime() - begin) / 1000;
        System.out.println("acked " + version + " " + name + " " + micros);
      }
      System.out.println("done");
    }
  }

  private static List<String> lines(String name, String[] words) {
    List<String> lines = new ArrayList<>();
    lines.add("{\"commitInfo\":{\"timestamp\":0,\"operation\":\"WRITE\",\"txnId\":\"" + name + "\"}}");
    lines.add("{\"txn\":{\"appId\":\"" + name + "\",\"version\":1}}");
    if (words.length > 4) {
      lines.add("{\"add\":{\"path\":\"" + words[4] + "\",\"partitionValues\":{},\"size\":4}}");
    }
    return lines;
  }

  private static long commit(
      LogStore store, Path log, long version, List<String> lines, Configuration conf)
      throws Exception {
    for (long next = version; ; next++) {
      try {
        store.write(
            new Path(log, String.format("%020d.json", next)), lines.iterator(), false, conf);
        return next;
      } catch (FileAlreadyExistsException error) {
        // another's commit
      }
    }
  }
}
